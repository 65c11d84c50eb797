"""Writes a configuration of email-oauth2-proxy in which somebody has signed in already, as it would itself.

Run by the Python that has it: signed_in.py FILE USER TOKEN (IMAP|SMTP)-PORT=SERVER_PORT …; the local
password comes on standard input.
"""

import configparser
import sys
import time

import emailproxy

file, user, token, *servers = sys.argv[1:]
password = sys.stdin.readline().rstrip("\n")
config = configparser.RawConfigParser()
for server in servers:
    name, port = server.split("=")
    config[name] = {"local_address": "127.0.0.1", "server_address": "127.0.0.1", "server_port": port}
config[user] = {
    "permission_url": "http://127.0.0.1:9/authorize",
    "token_url": "http://127.0.0.1:9/token",
    "oauth2_scope": "https://mail.google.com/",
    "redirect_uri": "http://localhost",
    "client_id": "bench",
    "client_secret": "bench",
}
cryptographer = emailproxy.Cryptographer(config, user, password)
config[user].update(
    token_salt=cryptographer.salt,
    token_iterations=str(cryptographer.iterations),
    access_token=cryptographer.encrypt(token),
    access_token_expiry=str(int(time.time()) + 24 * 3600),
    refresh_token=cryptographer.encrypt("bench"),
)
with open(file, "w", encoding="utf-8") as out:
    config.write(out)
