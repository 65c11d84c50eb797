# swaks. It has no word to wait for beyond the end of AUTH.
set -euo pipefail

swaks() {
    command swaks --server "$HOST" --port "$SMTP_PORT" --ehlo client.test --from "$ADDRESS" --to "$ADDRESS" \
        --auth "${AUTH:-PLAIN}" --auth-user "$ADDRESS" --auth-password "$PASSWORD" "$@"
}

case $1 in
    version) command swaks --version | sed -n '1s/^swaks version \([^ ]*\).*/\1/p' ;;
    sign-on) swaks --quit-after AUTH ;;
    send)
        # It ends the last line itself.
        head -c -2 mail > data
        swaks --data @data
        ;;
esac
