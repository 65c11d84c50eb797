"""A mail sent with Python's smtplib. Takes a JSON object on standard input, gives one back."""

import json
import smtplib
import sys

ask = json.load(sys.stdin)
smtp = smtplib.SMTP(ask["host"], ask["port"], local_hostname="client.test", timeout=75)
smtp.ehlo()
features = sorted(smtp.esmtp_features)
smtp.user, smtp.password = ask["user"], ask["password"]
method = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login}[ask["mechanism"]]
code = smtp.auth(ask["mechanism"], method, initial_response_ok=ask["initial"])[0]
mail = "Subject: %s\r\nFrom: %s\r\nTo: %s\r\n\r\nGr\u00fc\u00dfe\r\n.dot\r\n" % (ask["subject"], ask["user"], ask["user"])
refused = smtp.sendmail(ask["user"], [ask["user"]], mail.encode(), mail_options=["BODY=8BITMIME"])
smtp.quit()
print(json.dumps({"features": features, "auth": smtp.esmtp_features.get("auth", ""), "code": code, "refused": refused}))
