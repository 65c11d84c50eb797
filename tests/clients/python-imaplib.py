"""imaplib and smtplib, as Python brings them."""

import imaplib
import os
import platform
import re
import smtplib
import sys
import time
from pathlib import Path


def signed_on():
    imap = imaplib.IMAP4(os.environ["HOST"], int(os.environ["IMAP_PORT"]), timeout=60)
    if password.isascii() and auth != "PLAIN":
        imap.login(address, password)
    else:
        # `login` takes ASCII only.
        imap.authenticate("PLAIN", lambda _: f"\0{address}\0{password}".encode())
    return imap


def fetch_all(mailbox, folder):
    Path(folder).mkdir()
    imap = signed_on()
    imap.select(mailbox, readonly=True)
    for part in imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
        if isinstance(part, tuple):
            uid = re.search(rb"UID (\d+)", part[0])[1].decode()
            Path(folder, uid).write_bytes(part[1])
    imap.logout()


def hold():
    """Stays in IDLE, and keeps a list of the messages by what it is told; see held.rs."""
    imap = signed_on()
    uids = [None] * int(imap.select()[1][0])
    imap.untagged_responses.clear()

    def told():
        """The next line, taken in; whether it said what messages there are."""
        line = imap.readline()
        if not line or line.startswith(b"* BYE"):
            raise imap.abort(f"disconnected: {line}")
        change = re.match(rb"\* (\d+) (EXISTS|EXPUNGE)", line)
        if change and change[2] == b"EXPUNGE":
            del uids[int(change[1]) - 1]
        elif change:
            uids.extend([None] * (int(change[1]) - len(uids)))
        return line, bool(change)

    while True:
        more = [True]
        while None in uids and more:
            for line in imap.fetch(f"{uids.index(None) + 1}:*", "(UID)")[1]:
                # None where Dovecot says NO: one of them is gone, which it tells in the IDLE.
                if message := re.match(rb"(\d+) \(.*?UID (\d+)", line or b""):
                    uids[int(message[1]) - 1] = int(message[2])
            more = imap.untagged_responses.pop("EXISTS", [])
            for count in more:
                uids.extend([None] * (int(count) - len(uids)))
        print("list", *uids, flush=True)
        tag, line, changed = imap._new_tag(), b"", False
        imap.send(tag + b" IDLE\r\n")
        while not (line.startswith(b"+")):
            line, change = told()
            changed |= change
        while not changed:
            line, changed = told()
        imap.send(b"DONE\r\n")
        while not line.startswith(tag):
            line, _ = told()


def wait():
    """The same, and connects again when it has lost its connection, as desktop clients do."""
    while True:
        try:
            hold()
        except imaplib.IMAP4.abort as lost:
            print(lost, file=sys.stderr, flush=True)
        except OSError as lost:
            print(lost, file=sys.stderr, flush=True)
        # A NO, on which a client asks its person for a password, is another error, and its end.
        time.sleep(1)


task = sys.argv[1]
if task == "version":
    print(platform.python_version())
    sys.exit()

address, password = os.environ["ADDRESS"], os.environ["PASSWORD"]
auth = os.environ.get("AUTH")
match task:
    case "sign-on":
        signed_on().logout()
    case "list":
        imap = signed_on()
        names = [re.search(rb' "/" "?(.*?)"?$', line)[1].decode() for line in imap.list()[1]]
        Path("list").write_text("\n".join(names))
        imap.logout()
    case "fetch":
        fetch_all("One", "fetched")
    case "append":
        imap = signed_on()
        assert imap.append("Kept", r"(\Seen)", None, Path("mail").read_bytes())[0] == "OK"
        imap.logout()
    case "send":
        smtp = smtplib.SMTP(os.environ["HOST"], int(os.environ["SMTP_PORT"]), "client.test", timeout=60)
        if auth:
            # Its mechanism, and an initial response or none.
            mechanism, _, initial = auth.partition(" ")
            smtp.ehlo()
            smtp.user, smtp.password = address, password
            method = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login}[mechanism]
            smtp.auth(mechanism, method, initial_response_ok=initial == "initial")
        else:
            smtp.login(address, password)
        mail = Path("mail").read_bytes()
        assert smtp.sendmail(address, [address], mail, mail_options=["BODY=8BITMIME"]) == {}
        smtp.quit()
    case "sync":
        fetch_all("Many", "synced")
    case "hold":
        hold()
    case "wait":
        wait()
