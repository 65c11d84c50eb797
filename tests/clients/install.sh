#!/usr/bin/env bash
# Installs the mail clients that Debian hasn't got, from PyPI and npm, each in the version that is
# pinned here, into target/clients. Does nothing if they are there. Run by ./test; needs no root.
set -euo pipefail
cd "$(dirname "$0")"
to=../../target/clients

# What is installed has a copy of its pins beside it: other pins, another installation.
if ! cmp -s requirements.txt $to/python/requirements.txt; then
    rm -rf $to/python
    # Debian's own, whichever is first in PATH.
    /usr/bin/python3 -m venv $to/python
    $to/python/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        -r requirements.txt
    cp requirements.txt $to/python/
fi

if ! cmp -s node/package-lock.json $to/node/package-lock.json; then
    rm -rf $to/node $to/node.new
    mkdir -p $to/node.new
    cp node/package.json node/package-lock.json $to/node.new/
    npm ci --prefix $to/node.new --ignore-scripts --no-audit --no-fund --loglevel error
    mv $to/node.new $to/node
fi
