#!/usr/bin/env bash
# Installs email-oauth2-proxy from PyPI, as it is pinned in requirements.txt, into target/, for
# `cargo bench --bench peers`. The other peers come from Debian; see the README.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=target/email-oauth2-proxy
# Debian's own, whichever is first in PATH.
/usr/bin/python3 -m venv $to
$to/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    -r benches/peers/requirements.txt
