"""IMAPClient."""

import os
import sys
from pathlib import Path

import imapclient


def signed_on():
    imap = imapclient.IMAPClient(os.environ["HOST"], int(os.environ["IMAP_PORT"]), ssl=False, timeout=60)
    password = os.environ["PASSWORD"]
    # `login` takes ASCII only.
    sign_on = imap.login if password.isascii() else imap.plain_login
    sign_on(os.environ["ADDRESS"], password)
    return imap


def fetch_all(mailbox, folder):
    Path(folder).mkdir()
    with signed_on() as imap:
        imap.select_folder(mailbox, readonly=True)
        for uid, parts in imap.fetch(imap.search(), ["BODY.PEEK[]"]).items():
            Path(folder, str(uid)).write_bytes(parts[b"BODY[]"])


def hold():
    """Stays in IDLE, and keeps a list of the messages by what it is told; see held.rs."""
    imap = signed_on()
    uids = [None] * imap.select_folder("INBOX")[b"EXISTS"]
    imap._imap.untagged_responses.clear()

    def take(told):
        for number, what, *_ in (one for one in told if one[0] != b"OK"):
            if what == b"EXPUNGE":
                del uids[number - 1]
            elif what == b"EXISTS":
                uids.extend([None] * (number - len(uids)))

    while True:
        if None in uids:
            imap.use_uid = False
            try:
                asked = imap.fetch(range(uids.index(None) + 1, len(uids) + 1), ["UID"])
            except imap.Error:
                # Dovecot says NO where one of them is gone, which it tells in the IDLE.
                asked = {}
            for number, data in asked.items():
                uids[number - 1] = data.get(b"UID")
            # What came besides stays in imaplib.
            take([(int(count), b"EXISTS") for count in imap._imap.untagged_responses.pop("EXISTS", [])])
        print("list", *uids, flush=True)
        imap.idle()
        take(imap.idle_check(timeout=5))
        take(imap.idle_done()[1])


match sys.argv[1]:
    case "version":
        print(imapclient.__version__)
    case "sign-on":
        signed_on().logout()
    case "list":
        with signed_on() as imap:
            names = [name for _, _, name in imap.list_folders()]
        Path("list").write_text("\n".join(names))
    case "fetch":
        fetch_all("One", "fetched")
    case "append":
        with signed_on() as imap:
            imap.append("Kept", Path("mail").read_bytes(), flags=[imapclient.SEEN])
    case "idle":
        with signed_on() as imap:
            before = imap.select_folder("INBOX")[b"EXISTS"]
            imap.idle()
            print("idling", flush=True)
            while (before + 1, b"EXISTS") not in imap.idle_check(timeout=60):
                pass
            print("told", flush=True)
            imap.idle_done()
    case "sync":
        fetch_all("Many", "synced")
    case "hold":
        hold()
