"""Signs on straight to the SMTP server of the test bed with an OAuth token, and sends what follows
DATA as it is given. Takes a JSON object on standard input, gives back the codes of the replies."""

import base64
import json
import smtplib
import ssl
import sys

ask = json.load(sys.stdin)
context = ssl.create_default_context(cafile=ask["ca"])
smtp = smtplib.SMTP_SSL("localhost", ask["port"], context=context, timeout=30)
smtp.ehlo()
code, text = smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(ask["bearer"].encode()).decode())
assert code == 235, text
for line in "MAIL FROM:<%s>" % ask["address"], "RCPT TO:<%s>" % ask["address"], "DATA":
    smtp.docmd(line)
smtp.send(ask["data"])
print(json.dumps([smtp.getreply()[0] for _ in range(ask["replies"])]))
