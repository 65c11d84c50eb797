# Installs Debian packages without starting any service of theirs, now or at the next start of the
# machine. Run by ./test, and for the bench by hand, as root. Usage: bash -s -- PACKAGE... < install.sh
set -euo pipefail

policy=/usr/sbin/policy-rc.d
kept=
if [ -e "$policy" ]; then
    kept=$(mktemp "$policy.XXXXXX")
    cp -p "$policy" "$kept"
fi
restore() {
    if [ -n "$kept" ]; then mv -f "$kept" "$policy"; else rm -f "$policy"; fi
}
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' > "$policy"
chmod 755 "$policy"

# Nothing may read our standard input: it is this script.
export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" < /dev/null; }
apt update -q
apt install -q -y --no-install-recommends "$@"

# Nor at the machine's next start; a service that was here before is left alone.
if command -v systemctl > /dev/null; then
    for package in "$@"; do
        case $package in
            dovecot-core) systemctl disable dovecot.service dovecot.socket ;;
            postfix) systemctl disable postfix.service ;;
            prometheus) systemctl disable prometheus.service ;;
            nginx-light) systemctl disable nginx.service ;;
            haproxy | stunnel4) systemctl disable "$package.service" ;;
        esac < /dev/null 2> /dev/null || true
    done
fi
