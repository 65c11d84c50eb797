"""Thunderbird on a screen of its own (Xvfb), driven by its remote control: Marionette, JSON over TCP.

Its account is there from the start, with HOST, IMAP_PORT and SMTP_PORT, and with SECURITY, the number that
Thunderbird has for the connection's security (0 none, 2 STARTTLS, 3 SSL/TLS); or, with AUTOCONFIG, Thunderbird
sets it up itself, by a file in the folder `isp` in the folder that this names. DOMAINS are names of this
machine.

It is kept running: tasks come on standard input, one a line, and each is answered by `done` or by
`failed` and why. Otherwise it is like the other scripts here; see support/mail_client.rs. Whatever
Thunderbird asks a person, for a password say, is a failure."""

import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent.resolve()
# The program itself: Debian's `thunderbird` is a script around it.
THUNDERBIRD = "/usr/lib/thunderbird/thunderbird"
# Seconds that anything may take.
PATIENCE = 60
# It idles once it has had nothing to do for two seconds.
BEFORE_IDLE = 3
# In which a dialogue is gone that was cancelled.
A_MOMENT = 1


class Guarded:
    """A program that ends with this one, however this one ends; see guard.sh."""

    def __init__(self, command, log, **options):
        self.process = subprocess.Popen(
            [HERE.parent / "servers/guard.sh", *command],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


class Marionette:
    """The remote control: `[0, number, command, parameters]` there, `[1, number, error, result]` back,
    each with its length in front."""

    def __init__(self, port):
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.stream = connection.makefile("rwb")
        self.number = 0
        self.read()
        # Dialogues are for thunderbird.js, not for the remote control, to put away.
        self.call("WebDriver:NewSession", {"unhandledPromptBehavior": "ignore"})
        self.call("WebDriver:SetTimeouts", {"script": PATIENCE * 1000})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.steps = (HERE / "thunderbird.js").read_text()

    def call(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.stream.write(b"%d:%s" % (len(text), text))
        self.stream.flush()
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(error["message"])
        return result

    def step(self, name, *given):
        """What one of thunderbird.js gives."""
        script = {"script": self.steps, "args": [name, given]}
        answer = self.call("WebDriver:ExecuteAsyncScript", script)["value"]
        if answer is None:
            raise RuntimeError("a dialogue came up")
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def read(self):
        size = b""
        while not size.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise RuntimeError("Thunderbird has ended")
            size += byte
        return json.loads(self.stream.read(int(size[:-1])))


def preferences():
    all_of_them = {
        "marionette.port": 0,
        # Online, whatever the machine's network is like; and nothing but the two servers.
        "offline.startup_state": 2,
        "network.manage-offline-status": False,
        "network.proxy.type": 0,
        "network.dns.localDomains": os.environ.get("DOMAINS", ""),
        "app.update.disabledForTesting": True,
        "extensions.update.enabled": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "mailnews.start_page.enabled": False,
        "mail.rights.version": 1,
        "mail.shell.checkDefaultClient": False,
        # Nothing but what it is asked to do.
        "mailnews.database.global.indexer.enabled": False,
        "mail.server.default.autosync_offline_stores": False,
        # One file a message.
        "mail.serverDefaultStoreContractID": "@mozilla.org/msgstore/maildirstore;1",
    }
    if "AUTOCONFIG" not in os.environ:
        all_of_them |= account()
    lines = ("user_pref(%s, %s);\n" % (json.dumps(n), json.dumps(v)) for n, v in all_of_them.items())
    return "".join(lines)


def account():
    host, address = os.environ["HOST"], os.environ["ADDRESS"]
    security = int(os.environ.get("SECURITY", "0"))
    return {
        "mail.accountmanager.accounts": "account1",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.identities": "id1",
        "mail.account.account1.server": "server1",
        "mail.server.server1.type": "imap",
        "mail.server.server1.name": address,
        "mail.server.server1.hostname": host,
        "mail.server.server1.port": int(os.environ["IMAP_PORT"]),
        "mail.server.server1.userName": address,
        "mail.server.server1.socketType": security,
        # “Normal password”, or “Password, transmitted insecurely”.
        "mail.server.server1.authMethod": 3,
        "mail.server.server1.storeContractID": "@mozilla.org/msgstore/maildirstore;1",
        "mail.server.server1.check_new_mail": False,
        "mail.server.server1.login_at_startup": False,
        "mail.identity.id1.useremail": address,
        "mail.identity.id1.smtpServer": "smtp1",
        "mail.identity.id1.valid": True,
        "mail.smtpservers": "smtp1",
        "mail.smtp.defaultserver": "smtp1",
        "mail.smtpserver.smtp1.hostname": host,
        "mail.smtpserver.smtp1.port": int(os.environ["SMTP_PORT"]),
        "mail.smtpserver.smtp1.username": address,
        "mail.smtpserver.smtp1.try_ssl": security,
        "mail.smtpserver.smtp1.authMethod": 3,
    }


def screen(log):
    """An X server, and the number of its display."""
    told, tells = os.pipe()
    size = ["-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    xvfb = Guarded(["Xvfb", "-displayfd", str(tells), *size], log, pass_fds=[tells])
    os.close(tells)
    with open(told) as number:
        return xvfb, number.readline().strip()


def thunderbird(display, profile, log):
    profile.mkdir(exist_ok=True)
    (profile / "user.js").write_text(preferences())
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.getcwd(), "DISPLAY": ":" + display,
        # No desktop's services: not to be found, and not to be started.
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/dev/null", "NO_AT_BRIDGE": "1",
        "GSETTINGS_BACKEND": "memory", "MOZ_CRASHREPORTER_DISABLE": "1",
    }
    arguments = ["--profile", profile, "-no-remote", "-marionette", "-remote-allow-system-access"]
    return Guarded([THUNDERBIRD, *arguments], log, env=environment)


def remote_control(profile):
    port = profile / "MarionetteActivePort"
    end = time.monotonic() + PATIENCE
    while not (port.exists() and port.read_text()):
        if time.monotonic() > end:
            raise RuntimeError("Thunderbird does not start")
        time.sleep(0.05)
    return Marionette(int(port.read_text()))


def perform(remote, task):
    mail = str(pathlib.Path("mail").resolve())
    match task.split(" ", 1):
        case ["sign-on"]:
            remote.step("signOn")
        case ["list"]:
            pathlib.Path("list").write_text("\n".join(remote.step("list")))
        case ["fetch"]:
            remote.step("update", "One")
            pathlib.Path("fetched").mkdir()
            pathlib.Path("fetched/1").write_bytes(base64.b64decode(remote.step("fetch", "One")))
        case ["sync", *mailbox]:
            mailbox = mailbox[0] if mailbox else "Many"
            remote.step("update", mailbox)
            pathlib.Path("synced").mkdir()
            for uid, file in remote.step("sync", mailbox):
                pathlib.Path("synced", str(uid)).write_bytes(pathlib.Path(file).read_bytes())
        case ["append", *mailbox]:
            remote.step("append", mail, mailbox[0] if mailbox else "Kept")
        case ["send", *to]:
            remote.step("send", mail, to[0] if to else os.environ["ADDRESS"])
        case ["idle"]:
            remote.step("update", "INBOX")
            remote.step("listen", "INBOX")
            time.sleep(BEFORE_IDLE)
            print("idling", flush=True)
            remote.step("heard")
            print("told", flush=True)
        case ["hold"]:
            remote.step("update", "INBOX")
            time.sleep(BEFORE_IDLE)
        case ["uids"]:
            pathlib.Path("uids").write_text(" ".join(map(str, remote.step("uids", "INBOX"))))
        case ["rest"]:
            time.sleep(BEFORE_IDLE)
        case ["show", subject]:
            pathlib.Path("shown").write_text(remote.step("show", subject))
    dialogues = remote.step("dialogues")
    if dialogues:
        raise RuntimeError("; ".join(dialogues))


def main():
    if sys.argv[1:] == ["version"]:
        version = subprocess.run([THUNDERBIRD, "--version"], check=True, capture_output=True, text=True)
        print(version.stdout.split()[-1])
        return
    profile = pathlib.Path("profile").resolve()
    with open("log", "wb") as log:
        xvfb, display = screen(log)
        with xvfb, thunderbird(display, profile, log):
            remote = remote_control(profile)
            remote.step("begin")
            person = [os.environ["ADDRESS"], os.environ["PASSWORD"]]
            if folder := os.environ.get("AUTOCONFIG"):
                remote.step("setUp", *person, folder)
            else:
                host = os.environ["HOST"]
                remote.step("keep", *person, ["imap://" + host, "smtp://" + host])
            print("done", flush=True)
            for task in sys.stdin:
                try:
                    perform(remote, task.rstrip("\n"))
                    print("done", flush=True)
                except (OSError, RuntimeError) as error:
                    # What was asked says more than that what was under way has failed.
                    time.sleep(A_MOMENT)
                    words = "; ".join(remote.step("dialogues")) or str(error)
                    print("failed:", " ".join(words.split()), flush=True)


main()
