#!/usr/bin/env bash
# Installs email-oauth2-proxy from PyPI, in the version that is pinned here, into target/, for
# `cargo bench --bench peers`. The other peers come from Debian; see the README.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=target/email-oauth2-proxy
python3 -m venv $to
$to/bin/pip install --quiet --disable-pip-version-check --only-binary :all: emailproxy==2026.7.3
