# getmail6. It fetches, and nothing else.
set -euo pipefail
source "${0%/*}/idle.sh"

# Fetches the mailbox $1 into the folder $2.
getmail() {
    printf %s "$PASSWORD" > password
    mkdir -p "$2"
    # It doesn't write to a Maildir as root. It misses the end of a command that ends before it has begun
    # to wait for it (ForkingBase.forkchild forks first), and gives up a minute later: so the command
    # stays until getmail sleeps.
    cat > getmailrc <<RC
[retriever]
type = SimpleIMAPRetriever
server = $HOST
port = $IMAP_PORT
username = $ADDRESS
password_command = ("cat", "password")
mailboxes = ("$1",)

[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > $2/\$\$; until grep -q '^State:.S' /proc/\$PPID/status; do :; done")
allow_root_commands = true

[options]
read_all = false
delivered_to = false
received = false
RC
    command getmail --getmaildir "$PWD" "${@:3}"
}

case $1 in
    version) command getmail --version | sed -n 's/^getmail //p' ;;
    sign-on) getmail INBOX inbox ;;
    fetch) getmail One fetched ;;
    idle)
        export PYTHONUNBUFFERED=1
        watch_idle '*Entering IDLE*' '*IDLE message received*' < <(getmail INBOX inbox --idle INBOX --trace 2>&1)
        ;;
    sync) getmail Many synced ;;
esac
