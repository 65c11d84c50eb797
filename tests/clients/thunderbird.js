// What thunderbird.py lets Thunderbird do, in Thunderbird's own privileged JavaScript.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

const window = Services.wm.getMostRecentWindow("mail:3pane");
const server = MailServices.accounts.allServers.find(one => one.type == "imap");

const steps = {
  /** From now on every dialogue is noted, and cancelled: nobody should be asked for anything. */
  async begin() {
    window.dialogues = [];
    Services.obs.addObserver(dialogue => {
      window.dialogues.push(dialogue.document.getElementById("infoBody").textContent);
      // The main window stands still meanwhile.
      dialogue.setTimeout(() => dialogue.document.getElementById("commonDialog").cancelDialog());
    }, "common-dialog-loaded");
  },

  /** Keeps the password, as for a person who has let Thunderbird remember it. */
  async keep(user, password, hosts) {
    for (const host of hosts) {
      const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
      login.init(host, null, host, user, password, "", "");
      await Services.logins.addLoginAsync(login);
    }
  },

  /** Sets an account up as for a person who types in their name, address and password, by the file for
   * their domain: what `email.mjs` of Thunderbird does. Only the folder that the file is in is another
   * one than the program's own. */
  async setUp(address, password, folder) {
    const from = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`)[name];
    if (Services.dirsvc.has("CurProcD")) {
      Services.dirsvc.undefine("CurProcD");
    }
    Services.dirsvc.set("CurProcD", file(folder));
    const { signal } = new window.AbortController();
    const config = await from("FetchConfig").fromDisk(address.split("@")[1], signal);
    from("AccountConfig").replaceVariables(config, "Anna Example", address, password);
    config.rememberPassword = true;
    const verifier = new (from("ConfigVerifier"))(window.msgWindow, signal);
    await from("CreateInBackend").createAccountInBackend(await verifier.verifyConfig(config, false));
  },

  /** The dialogues since this was last asked. */
  dialogues: async () => window.dialogues.splice(0),

  /** As when an account is set up: that connection is not used further. */
  async signOn() {
    await running(listener => server.verifyLogon(listener, window.msgWindow));
    server.closeCachedConnections();
  },

  /** The names of the folders that can be opened. */
  async list() {
    await running(listener =>
      MailServices.imap.discoverAllFolders(server.rootFolder, listener, window.msgWindow)
    );
    return folders().filter(one => !one.getFlag(Ci.nsMsgFolderFlags.ImapNoselect)).map(one => one.onlineName);
  },

  /** Brings a folder up to date. If Thunderbird is at it already, of its own accord, it forgets about
   * the listener: so it is asked again. */
  async update(name) {
    const update = listener => folder(name).updateFolderWithListener(window.msgWindow, listener);
    let updated = false;
    while (!updated) {
      updated = await Promise.race([running(update).then(() => true), pause(2000)]);
    }
  },

  /** The newest message of a folder in base64, read as for showing it. */
  fetch(name) {
    const newest = [...folder(name).messages].reduce((a, b) => (b.messageKey > a.messageKey ? b : a));
    const uri = folder(name).getUriForMsg(newest);
    const bytes = [];
    return promise(settle =>
      MailServices.messageServiceFromURI(uri).streamMessage(uri, {
        QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
        onStartRequest() {},
        onDataAvailable(_, stream, __, count) {
          const input = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
          input.setInputStream(stream);
          bytes.push(input.readBytes(count));
        },
        onStopRequest: (_, status) => settle(status),
      }, window.msgWindow, null, false, "", false)
    ).then(() => btoa(bytes.join("")));
  },

  /** Downloads a folder; where each message lies, by its UID. */
  async sync(name) {
    const one = folder(name);
    one.setFlag(Ci.nsMsgFolderFlags.Offline);
    await running(listener => one.downloadAllForOffline(listener, window.msgWindow));
    const file = message => `${one.filePath.path}/cur/${message.storeToken}`;
    return [...one.messages].map(message => [message.messageKey, file(message)]);
  },

  /** The UIDs of the messages that it shows in a folder. */
  uids: async name => [...folder(name).messages].map(message => message.messageKey).sort((a, b) => a - b),

  /** Stores a file as a message. */
  append: (path, to) =>
    promise(settle =>
      MailServices.copy.copyFileMessage(file(path), folder(to), null, false, 0, "", {
        QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
        onStartCopy() {},
        onProgress() {},
        setMessageKey() {},
        getMessageId() {},
        onStopCopy: settle,
      }, window.msgWindow)
    ),

  /** Sends a file as a message; Gmail keeps a copy itself. */
  send(path, to) {
    const account = MailServices.accounts.findAccountForServer(server);
    const identity = account.defaultIdentity;
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    Object.assign(fields, { from: identity.email, to, fcc: "nocopy://" });
    const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    return promise(settle =>
      send.sendMessageFile(identity, account.key, fields, file(path), false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, {
        QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
        onStartSending() {},
        onProgress() {},
        onStatus() {},
        onGetDraftFolderURI() {},
        onSendNotPerformed() {},
        onTransportSecurityError: (_, status) => settle(status),
        onStopSending: (_, status, words) => settle(status, words),
      }, "")
    );
  },

  /** Notes when the next message gets into a folder. */
  async listen(name) {
    window.heard = false;
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIFolderListener"]),
      onMessageAdded(to) {
        if (to.URI == folder(name).URI) {
          MailServices.mailSession.RemoveFolderListener(listener);
          window.heard = true;
        }
      },
    };
    MailServices.mailSession.AddFolderListener(listener, Ci.nsIFolderListener.added);
  },

  heard: () => until(() => window.heard, "nothing was heard"),

  /** Shows a message of the inbox, as to a person who clicks on it; the text that they read. From then
   * on the window updates the inbox itself, and nobody can tell when it has. */
  async show(subject) {
    const { currentAbout3Pane: panes } = window.document.getElementById("tabmail");
    panes.displayFolder(folder("INBOX").URI);
    await until(() => panes.gDBView?.rowCount, "no list is shown");
    const message = [...folder("INBOX").messages].find(one => one.mime2DecodedSubject == subject);
    panes.threadTree.selectedIndex = panes.gDBView.findIndexOfMsgHdr(message, true);
    const page = () => panes.messageBrowser.contentWindow.getMessagePaneBrowser().contentDocument;
    return until(() => page()?.body?.textContent.trim(), "no text is shown");
  },
};

function folders() {
  return server.rootFolder.descendants.map(one => one.QueryInterface(Ci.nsIMsgImapMailFolder));
}

function folder(name) {
  const found = folders().find(one => one.onlineName == name);
  if (!found) {
    throw new Error(`there is no folder ${name}`);
  }
  return found;
}

function file(path) {
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(path);
  return file;
}

/** The end of what `start` starts: it settles with a status, and words if there are any. */
function promise(start) {
  return new Promise((resolve, reject) =>
    start((status, words = "") =>
      Components.isSuccessCode(status)
        ? resolve()
        : reject(new Error(`status 0x${status.toString(16)} ${words}`))
    )
  );
}

/** The end of a URL that runs in the background. */
function running(start) {
  return promise(settle => start({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl: (_, status) => settle(status),
  }));
}

/** Waits until this gives something, and gives that. */
async function until(condition, otherwise) {
  for (let tries = 0; tries < 3000; tries++) {
    const met = condition();
    if (met) {
      return met;
    }
    await pause(10);
  }
  throw new Error(otherwise);
}

function pause(milliseconds) {
  return new Promise(resolve => window.setTimeout(resolve, milliseconds));
}

const [step, given, answer] = arguments;
(async () => steps[step](...given))().then(
  value => answer({ value: value ?? null }),
  error => answer({ error: String(error) })
);
