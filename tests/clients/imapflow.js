// ImapFlow and Nodemailer.
'use strict';

const fs = require('node:fs');
const { ImapFlow } = require('imapflow');
const nodemailer = require('nodemailer');

const { HOST, IMAP_PORT, SMTP_PORT, ADDRESS, PASSWORD } = process.env;
const auth = { user: ADDRESS, pass: PASSWORD, loginMethod: process.env.AUTH, method: process.env.AUTH };

async function signedOn() {
    const imap = new ImapFlow({ host: HOST, port: IMAP_PORT, secure: false, auth, logger: false });
    await imap.connect();
    return imap;
}

async function fetchAll(mailbox, folder) {
    fs.mkdirSync(folder);
    const imap = await signedOn();
    await imap.mailboxOpen(mailbox, { readOnly: true });
    for await (const mail of imap.fetch('1:*', { source: true })) {
        fs.writeFileSync(`${folder}/${mail.uid}`, mail.source);
    }
    await imap.logout();
}

async function idle() {
    const imap = await signedOn();
    await imap.mailboxOpen('INBOX');
    const told = new Promise((resolve) => imap.once('exists', resolve));
    imap.idle();
    // There is no event for it; the flag is set when the command is sent.
    while (!imap.idling) await new Promise((resolve) => setTimeout(resolve, 10));
    console.log('idling');
    await told;
    console.log('told');
    await imap.logout();
}

// Stays in IDLE, and keeps a list of the messages by what it is told; see held.rs.
async function hold() {
    const imap = await signedOn();
    let uids = [];
    let news = Promise.resolve();
    imap.on('close', () => {
        throw new Error('disconnected');
    });
    // One at a time: an answer is about the numbers at its time.
    const ask = () => {
        news = news.then(async () => {
            const first = uids.indexOf(undefined) + 1;
            if (first) {
                try {
                    for await (const mail of imap.fetch(`${first}:*`, { uid: true })) {
                        uids[mail.seq - 1] = mail.uid;
                    }
                } catch (error) {
                    // Dovecot says NO where one of them is gone, and BAD where all are, which it tells
                    // in the IDLE.
                    const gone = /Invalid messageset/.test(error.responseText);
                    if (error.responseStatus !== 'NO' && !gone) throw error;
                }
            }
            console.log('list', uids.join(' '));
            imap.idle();
        });
    };
    imap.on('exists', ({ count }) => {
        while (uids.length < count) uids.push(undefined);
        ask();
    });
    imap.on('expunge', ({ seq }) => {
        uids.splice(seq - 1, 1);
        ask();
    });
    const { exists } = await imap.mailboxOpen('INBOX');
    uids = Array(exists).fill(undefined);
    ask();
}

async function send() {
    const smtp = nodemailer.createTransport({ host: HOST, port: SMTP_PORT, secure: false, auth });
    await smtp.sendMail({ envelope: { from: ADDRESS, to: ADDRESS }, raw: fs.readFileSync('mail') });
    smtp.close();
}

const tasks = {
    version: () => {
        const version = (name) => require(`${name}/package.json`).version;
        console.log(`${version('imapflow')}, ${version('nodemailer')}`);
    },
    'sign-on': async () => (await signedOn()).logout(),
    list: async () => {
        const imap = await signedOn();
        fs.writeFileSync('list', (await imap.list()).map((mailbox) => mailbox.path).join('\n'));
        await imap.logout();
    },
    fetch: () => fetchAll('One', 'fetched'),
    append: async () => {
        const imap = await signedOn();
        await imap.append('Kept', fs.readFileSync('mail'), ['\\Seen']);
        await imap.logout();
    },
    send,
    idle,
    hold,
    sync: () => fetchAll('Many', 'synced'),
};

Promise.resolve(tasks[process.argv[2]]()).catch((error) => {
    console.error(error);
    process.exit(1);
});
