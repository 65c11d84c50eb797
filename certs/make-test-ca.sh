#!/bin/sh
# Makes a throw-away certificate authority and one server certificate, for tests and for looking at
# Gatepost on one's own machine. Usage: certs/make-test-ca.sh DIRECTORY
#
#   DIRECTORY/ca.pem       the authority's certificate: what `ca_file` in config.toml points at
#   DIRECTORY/server.pem   the server's certificate, ECDSA P-256, for the names below
#   DIRECTORY/server.key   its key, readable by the owner alone
#
# The authority's own key is deleted at once, so nothing else can ever be signed with it.
set -eu

names="DNS:imap.gmail.com,DNS:smtp.gmail.com,DNS:localhost,IP:127.0.0.1"
days=7

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
command -v openssl >/dev/null || { echo "$0: openssl is missing; install it (apt-get install openssl)" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# openssl tells its progress on stderr; it is of interest only when a step fails.
quietly() { "$@" 2> "$scratch/said" || { cat "$scratch/said" >&2; exit 1; }; }

quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" \
    -subj "/CN=Gatepost throw-away test authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
    -keyout "$scratch/ca.key" -out "$scratch/ca.pem"

quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=imap.gmail.com" -keyout "$scratch/server.key" -out "$scratch/server.csr"

cat > "$scratch/server.ext" <<EXT
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
EXT
quietly openssl x509 -req -in "$scratch/server.csr" -days "$days" -extfile "$scratch/server.ext" \
    -CA "$scratch/ca.pem" -CAkey "$scratch/ca.key" -out "$scratch/server.pem"

mv "$scratch/ca.pem" "$scratch/server.pem" "$scratch/server.key" .
chmod 644 ca.pem server.pem
