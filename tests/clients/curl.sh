# curl.
set -euo pipefail

# The password goes by the configuration, not by the command line.
escaped=${PASSWORD:-}
escaped=${escaped//\\/\\\\}
escaped=${escaped//\"/\\\"}
curl() {
    command curl --silent --show-error --max-time 60 ${AUTH:-} --config - "$@" \
        <<< "user = \"${ADDRESS}:$escaped\""
}
imap=imap://${HOST:-}:${IMAP_PORT:-}

case $1 in
    version) command curl --version | sed -n '1s/^curl \([^ ]*\).*/\1/p' ;;
    sign-on) curl "$imap" --request NOOP ;;
    list) curl "$imap" --request 'LIST "" *' | tr -d '\r' | sed -n 's/^.* "\/" //; s/^"\(.*\)"$/\1/; p' > list ;;
    fetch) mkdir fetched; curl "$imap/One/;UID=1" --output fetched/1 ;;
    append) curl "$imap/Kept" --upload-file mail ;;
    send)
        curl "smtp://$HOST:$SMTP_PORT/client.test" --mail-from "$ADDRESS" --mail-rcpt "$ADDRESS" \
            --upload-file mail
        ;;
    sync)
        mkdir synced
        last=$(curl "$imap/Many" --request 'UID SEARCH ALL' | tr -d '\r' | sed 's/.* //')
        curl "$imap/Many/;UID=[1-$last]" --output 'synced/#1'
        ;;
esac
