# OfflineIMAP.
set -euo pipefail
source "${0%/*}/idle.sh"

# Syncs the mailbox $1 (all if it is empty) with Maildirs under $2.
offlineimap() {
    printf %s "$PASSWORD" > password
    mkdir -p "$2"
    cat > .offlineimaprc <<RC
[general]
accounts = bed
metadata = $PWD/metadata
ui = basic

[Account bed]
localrepository = near
remoterepository = far
autorefresh = 10

[Repository near]
type = Maildir
localfolders = $PWD/$2

[Repository far]
type = IMAP
remotehost = $HOST
remoteport = $IMAP_PORT
remoteuser = $ADDRESS
remotepassfile = $PWD/password
ssl = no
starttls = no
idlefolders = ${idle:-[]}
folderfilter = lambda name: '$1' in ('', name)
RC
    command offlineimap "${@:3}"
}

case $1 in
    version) command offlineimap --version ;;
    sign-on) offlineimap INBOX near --info ;;
    list) offlineimap '' near --info 2>&1 | sed -n '/^Folderlist/,/^$/s/^ //p' | sed '/^$/d' > list ;;
    fetch) offlineimap One fetched -o ;;
    append)
        offlineimap Kept near -o
        cp mail near/Kept/new/
        offlineimap Kept near -o
        ;;
    idle)
        idle="['INBOX']"
        watch_idle "*reader < b'+ idling*" "*reader < b'\\* * EXISTS*" < <(offlineimap INBOX inbox -d imap 2>&1)
        ;;
    sync) offlineimap Many synced -o ;;
esac
