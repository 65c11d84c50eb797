# git send-email.
set -euo pipefail

git() { /usr/bin/git "$@"; }

case $1 in
    version) git --version | sed 's/^git version //' ;;
    send)
        git config --global sendemail.smtpServer "$HOST"
        git config --global sendemail.smtpServerPort "$SMTP_PORT"
        git config --global sendemail.smtpUser "$ADDRESS"
        git config --global sendemail.smtpPass "$PASSWORD"
        git config --global sendemail.smtpAuth "${AUTH:-PLAIN LOGIN}"
        # A patch has plain LFs.
        sed 's/\r$//' mail > patch
        git send-email --quiet --from "$ADDRESS" --to "$ADDRESS" --suppress-cc all --confirm never \
            --transfer-encoding 8bit --no-validate patch
        ;;
esac
