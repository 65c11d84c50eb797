// A web page in Chromium that means no good: it sends mail commands to the ports of this machine in every way
// that a page has. Its one argument says, as JSON, where to and what; what the page got to know of each is
// printed as JSON. See tests/real/intruders.rs.
'use strict';

const http = require('node:http');
const { once } = require('node:events');
const { REBOUND, launch } = require('./person.js');

// In the page: each way, to one port. Gives `ANSWERED` where the page learns that there was an answer.
async function attack({ url, socketUrl, body }) {
    const PATIENCE = 15_000;
    const late = () => new Promise((resolve) => setTimeout(resolve, PATIENCE, 'nothing'));
    const heard = (attempt) => attempt.then(() => 'ANSWERED', () => 'failed');
    const request = (method, type) => new Promise((resolve, reject) => {
        const xhr = new XMLHttpRequest();
        xhr.open(method, url);
        if (type) xhr.setRequestHeader('Content-Type', type);
        xhr.onload = resolve;
        xhr.onerror = reject;
        xhr.send(body);
    });
    const element = (name, attributes) => new Promise((resolve, reject) => {
        const made = Object.assign(document.createElement(name), attributes);
        made.onload = resolve;
        made.onerror = reject;
        document.head.append(made);
    });
    const ways = {
        fetch: () => fetch(url, { method: 'POST', mode: 'no-cors', body }),
        get: () => fetch(`${url}?${encodeURIComponent(body)}`, { mode: 'no-cors' }),
        kept: () => fetch(url, { method: 'POST', mode: 'no-cors', keepalive: true, body }),
        // These ask first, by OPTIONS.
        method: () => fetch(url, { method: 'PROPFIND', body }),
        header: () => fetch(url, { headers: { 'X-Mail': 'a' } }),
        xhr: () => request('POST', null),
        json: () => request('PUT', 'application/json'),
        script: () => element('script', { src: url }),
        style: () => element('link', { rel: 'stylesheet', href: url }),
        image: () => element('img', { src: url }),
        socket: () => new Promise((resolve, reject) => {
            const socket = new WebSocket(socketUrl);
            socket.onopen = resolve;
            socket.onerror = reject;
        }),
        events: () => new Promise((resolve, reject) => {
            const source = new EventSource(url);
            source.onmessage = resolve;
            source.onerror = reject;
        }),
    };
    const results = {};
    for (const [name, way] of Object.entries(ways)) {
        results[name] = await Promise.race([heard(way()), late()]);
    }
    // What comes of these a page can't know.
    navigator.sendBeacon(url, body);
    const frame = Object.assign(document.createElement('iframe'), { name: 'frame' });
    const form = Object.assign(document.createElement('form'), {
        action: url,
        method: 'post',
        enctype: 'text/plain',
        target: 'frame',
    });
    const field = Object.assign(document.createElement('textarea'), { name: 'x', value: body });
    form.append(field);
    document.body.append(frame, form);
    form.submit();
    await new Promise((resolve) => setTimeout(resolve, 500));
    return results;
}

async function main() {
    const targets = JSON.parse(process.argv[2]);
    const server = http.createServer((_, answer) => {
        answer.setHeader('Content-Type', 'text/html');
        answer.end('<!doctype html><title>hostile</title><body></body>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const browser = await launch();
    // The worst case: the person trusts the certificate in their browser as well.
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const results = {};
    for (const { name, port, tls, body } of targets) {
        const page = await context.newPage();
        await page.goto(`http://127.0.0.1:${server.address().port}/`);
        const scheme = tls ? 's' : '';
        results[name] = await page.evaluate(attack, {
            url: `http${scheme}://127.0.0.1:${port}/`,
            socketUrl: `ws${scheme}://127.0.0.1:${port}/`,
            body,
        });
        // A page of the very port, by a name whose DNS was changed.
        const rebound = page.goto(`http${scheme}://${REBOUND}:${port}/`);
        results[name].rebound = await rebound.then(() => 'ANSWERED', () => 'failed');
        await page.close();
    }
    await browser.close();
    console.log(JSON.stringify(results));
    process.exit(0);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
