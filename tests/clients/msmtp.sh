# msmtp.
set -euo pipefail

case $1 in
    version) msmtp --version | sed -n '1s/^msmtp version //p' ;;
    send)
        printf %s "$PASSWORD" > password
        printf '%s\n' 'account default' "host $HOST" "port $SMTP_PORT" 'tls off' "auth ${AUTH:-plain}" \
            "user $ADDRESS" "from $ADDRESS" 'passwordeval "cat password"' > .msmtprc
        chmod 600 .msmtprc
        msmtp -- "$ADDRESS" < mail
        ;;
esac
