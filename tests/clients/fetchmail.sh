# fetchmail. It fetches, and nothing else.
set -euo pipefail
source "${0%/*}/idle.sh"

# Fetches the mailbox $1 into the folder $2.
fetchmail() {
    mkdir -p "$2"
    local escaped=${PASSWORD//\\/\\\\}
    escaped=${escaped//\"/\\x22}
    cat > .fetchmailrc <<RC
poll $HOST protocol imap port $IMAP_PORT auth password
    user "$ADDRESS" password "$escaped" folder "$1" sslproto ""
    keep no rewrite
    mda "sh -c 'cat > \$(mktemp $2/XXXXXXXX)'"
RC
    chmod 600 .fetchmailrc
    # 1: there was no mail.
    command fetchmail --fetchmailrc .fetchmailrc --idfile ids --pidfile "$2.pid" --invisible "${@:3}" || [ $? = 1 ]
}

case $1 in
    version) command fetchmail --version | sed -n '1s/^This is fetchmail release \([^+]*\).*/\1/p' ;;
    sign-on) fetchmail INBOX inbox --check ;;
    fetch) fetchmail One fetched --all ;;
    idle) watch_idle '*IMAP< + idling*' '*IMAP< \* * EXISTS*' < <(fetchmail INBOX inbox --idle --verbose 2>&1) ;;
    sync) fetchmail Many synced --all ;;
esac
