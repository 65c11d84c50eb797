"""A session with Python's imaplib. Takes a JSON object on standard input, gives one back."""

import imaplib
import json
import sys
import time

ask = json.load(sys.stdin)
imap = imaplib.IMAP4(ask["host"], ask["port"], timeout=75)
before = [str(c) for c in imap.capabilities]

if ask["how"] == "login":
    imap.login(ask["user"], ask["password"])
else:
    message = "\0%s\0%s" % (ask["user"], ask["password"])
    imap.authenticate("PLAIN", lambda challenge: message.encode())

after = imap.capability()[1][0].decode().split()
imap.select("INBOX")
subject = ask["subject"]
mail = ("Subject: %s\r\nFrom: a@example.com\r\n\r\n.dot\r\n* 1 EXISTS\r\n{7}\r\nGr\u00fc\u00dfe\r\n" % subject).encode()
imap.append("INBOX", "(\\Seen)", time.time(), mail)
imap.noop()
found = imap.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
got = imap.fetch(found[-1], "(FLAGS BODY.PEEK[])")[1][0][1]
imap.store(found[-1], "+FLAGS", "\\Deleted")
imap.expunge()
left = imap.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
goodbye = imap.logout()[0]

print(json.dumps({
    "before": before,
    "after": after,
    "same": got == mail,
    "found": len(found),
    "left": len(left),
    "goodbye": goodbye,
}))
