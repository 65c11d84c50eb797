"""imap-tools."""

import os
import sys
from pathlib import Path

import imap_tools


def signed_on():
    mailbox = imap_tools.MailBoxUnencrypted(os.environ["HOST"], int(os.environ["IMAP_PORT"]), timeout=60)
    password = os.environ["PASSWORD"]
    # `login` takes ASCII only.
    sign_on = mailbox.login if password.isascii() else mailbox.login_utf8
    return sign_on(os.environ["ADDRESS"], password)


def fetch_all(name, folder):
    Path(folder).mkdir()
    with signed_on() as mailbox:
        mailbox.folder.set(name, readonly=True)
        for mail in mailbox.fetch(mark_seen=False, bulk=True):
            Path(folder, mail.uid).write_bytes(mail.obj.as_bytes())


match sys.argv[1]:
    case "version":
        print(imap_tools.__version__)
    case "sign-on":
        signed_on().logout()
    case "list":
        with signed_on() as mailbox:
            names = [folder.name for folder in mailbox.folder.list()]
        Path("list").write_text("\n".join(names))
    case "fetch":
        fetch_all("One", "fetched")
    case "append":
        with signed_on() as mailbox:
            mailbox.append(Path("mail").read_bytes(), "Kept", flag_set=[imap_tools.MailMessageFlags.SEEN])
    case "idle":
        with signed_on() as mailbox, mailbox.idle as idle:
            print("idling", flush=True)
            while not any(response.endswith(b"EXISTS") for response in idle.poll(timeout=60)):
                pass
            print("told", flush=True)
    case "sync":
        fetch_all("Many", "synced")
