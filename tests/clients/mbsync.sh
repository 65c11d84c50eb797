# mbsync (isync).
set -euo pipefail

# Syncs the mailbox $1 with the Maildir $2, or only names the mailboxes with `--list` behind these.
mbsync() {
    printf %s "$PASSWORD" > password
    mkdir -p "$2"
    cat > mbsyncrc <<RC
IMAPStore far
Host $HOST
Port $IMAP_PORT
User $ADDRESS
PassCmd "cat password"
SSLType None
AuthMechs ${AUTH:-LOGIN}

MaildirStore near
Path $PWD/$2/
Inbox $PWD/$2/INBOX

Channel $2
Far :far:
Near :near:
Patterns "$1"
Create Near
SyncState *
RC
    command mbsync --config mbsyncrc --quiet "${@:3}" "$2"
}

case $1 in
    version) command mbsync --version | sed 's/^isync //' ;;
    sign-on) mbsync INBOX near --list ;;
    list) mbsync '*' near --list > list ;;
    fetch) mbsync One fetched --pull ;;
    append)
        mbsync Kept near
        cp mail near/Kept/new/
        mbsync Kept near --push
        ;;
    sync) mbsync Many synced --pull ;;
esac
