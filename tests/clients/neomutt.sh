# NeoMutt, on a terminal of its own, with keys pressed by `push`.
set -euo pipefail
source "${0%/*}/idle.sh"

configure() {
    local escaped=${PASSWORD//\\/\\\\}
    escaped=${escaped//\"/\\\"}
    escaped=${escaped//\$/\\\$}
    escaped=${escaped//\`/\\\`}
    cat > neomuttrc <<RC
set imap_user="$ADDRESS" imap_pass="$escaped" smtp_pass="$escaped"
set folder="imap://$HOST:$IMAP_PORT/" spoolfile="+INBOX"
set smtp_url="smtp://${ADDRESS/@/%40}@$HOST:$SMTP_PORT/"
set from="$ADDRESS" hostname=client.test use_domain=no
set imap_authenticators="${AUTH:-plain:login}" smtp_authenticators="${AUTH:-plain:login}"
set ssl_starttls=no ssl_force_tls=no imap_idle=yes timeout=1 mail_check=1
set mbox_type=Maildir confirmappend=no confirmcreate=no quit=yes copy=no record=""
set sidebar_visible=yes sidebar_width=70 sidebar_short_path=no sidebar_format="<<%B>>"
set header_cache="" wait_key=no delete=no move=no mark_old=no
RC
}

# Starts it with these arguments. It leaves by itself, or by `quit`.
neomutt() {
    configure
    printf -v command '%q ' /usr/bin/neomutt -n -F neomuttrc "$@"
    script --quiet --return --flush --log-out screen --command "$command"
}

copy_all='<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>'

case $1 in
    version) /usr/bin/neomutt -v | sed -n '1s/^NeoMutt //p' ;;
    sign-on)
        neomutt -f +INBOX -e 'push <quit>'
        # Its exit code says nothing.
        grep --quiet 'Mailbox is unchanged' screen
        ;;
    list)
        # The side bar has them all. It is drawn once nothing more is to be done.
        neomutt -f +INBOX -e 'set imap_check_subscribed; timeout-hook "exec quit"'
        cat screen >&2
        grep --text --only-matching '<<[^>]*>>' screen | sed 's/^<<//; s/>>$//' > list
        ;;
    fetch) neomutt -f +One -e "push '${copy_all}fetched<enter><quit>'" ;;
    append)
        mkdir -p near/{cur,new,tmp}
        cp mail near/new/
        neomutt -f near -e "push '<copy-message><kill-line>+Kept<enter><quit>'"
        ;;
    send)
        configure
        # The header is its own; it takes the text as a file of Unix.
        subject=$(sed -n 's/^Subject: \(.*\)\r$/\1/p' mail)
        sed '1,/^\r$/d; s/\r$//' mail | /usr/bin/neomutt -n -F neomuttrc -s "$subject" -- "$ADDRESS"
        ;;
    idle)
        neomutt -f +INBOX -d 2 -l log > /dev/null &
        watch_idle '* IDLE*' '*Handling EXISTS*' < <(tail -F log0 2> /dev/null)
        ;;
    sync) neomutt -f +Many -e "push '${copy_all}synced<enter><quit>'" ;;
esac
