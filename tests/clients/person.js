// A person at a browser, who looks at the status page as page.js says, and what must not be in it.
'use strict';

const assert = require('node:assert/strict');
const readline = require('node:readline');
const axe = require('axe-core');
const { chromium } = require('playwright-core');

const { ADDRESS, SHOTS } = process.env;
// The machine may be busy.
const PATIENCE = 20_000;
// The page looks for news every five seconds. The machine may be busy.
const FRESH = 45_000;
const SCHEMES = ['light', 'dark'];
const WIDTHS = { wide: 1100, narrow: 320 };
// A name that somebody else's DNS has pointed to this machine.
const REBOUND = 'rebound.example';

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Asks for something to be done, and gives what was answered.
async function ask(...words) {
    console.log(words.join(' '));
    const { value, done } = await lines.next();
    assert(!done, 'nobody answers');
    return value;
}

// A person's browser, and what must not be in it.
class Person {
    static async sitDown(browser, options = {}) {
        const person = new Person();
        person.faults = [];
        person.expected = [];
        person.context = await browser.newContext({
            viewport: { width: WIDTHS.wide, height: 800 },
            locale: 'en-GB',
            timezoneId: 'Europe/Berlin',
            reducedMotion: 'reduce',
            ...options,
        });
        person.context.setDefaultTimeout(PATIENCE);
        person.context.on('request', (request) => {
            const { protocol, hostname } = new URL(request.url());
            const here = hostname === '127.0.0.1' || hostname === REBOUND;
            if (!here && protocol !== 'data:') person.faults.push(`asks ${request.url()}`);
        });
        person.context.on('console', (message) => {
            const text = message.text();
            const isFault = ['error', 'warning'].includes(message.type());
            if (isFault && !person.expected.some((words) => text.includes(words))) {
                console.error(text);
                person.faults.push(`${message.page()?.url()}: ${text}`);
            }
        });
        person.context.on('weberror', (error) => person.faults.push(String(error.error())));
        person.page = await person.context.newPage();
        return person;
    }

    async leave() {
        assert.deepEqual(this.faults, []);
        await this.context.close();
    }

    // By the link that `gatepost status --open` gives a browser.
    async comeIn() {
        await this.page.goto(await ask('link'));
        await this.page.waitForURL((url) => url.pathname === '/');
    }

    heading(text) {
        const heading = this.page.getByRole('heading', { level: 1, name: text });
        return heading.waitFor({ timeout: FRESH });
    }

    button(name) {
        return this.page.getByRole('button', { name });
    }

    link(name) {
        return this.page.getByRole('link', { name });
    }

    // Waits for a state in words; the page gets it by itself.
    async state(words) {
        await this.page.locator('.state', { hasText: words }).first().waitFor({ timeout: FRESH });
    }

    // From now on it is noted what the page writes where: it takes some words back before one can look.
    async attend() {
        await this.page.evaluate(() => {
            window.noted = [];
            const note = ({ target }) => {
                const element = target instanceof Element ? target : target.parentElement;
                const where = element?.getAttribute('role') ?? element?.localName;
                window.noted.push(`${where}: ${target.textContent}`);
            };
            const options = { childList: true, characterData: true, subtree: true };
            new MutationObserver((changes) => changes.forEach(note)).observe(document, options);
        });
    }

    // Waits until the page has written this.
    async noted(words) {
        await this.page.waitForFunction((words) => window.noted.includes(words), words);
    }

    // Waits until this is what would be pasted.
    async pastes(value) {
        const until = Date.now() + PATIENCE;
        let pasted;
        do {
            pasted = await this.page.evaluate(() => navigator.clipboard.readText());
        } while (pasted !== value && Date.now() < until);
        assert.equal(pasted, value);
    }

    // An answer that isn't a success leaves a line on the console.
    expecting(status) {
        this.expected.push(`the server responded with a status of ${status}`);
    }

    async look(name) {
        for (const scheme of SCHEMES) {
            for (const [width, pixels] of Object.entries(WIDTHS)) {
                await this.page.emulateMedia({ colorScheme: scheme });
                await this.page.setViewportSize({ width: pixels, height: 800 });
                const found = await this.page.evaluate(async (source) => {
                    // In the page's own world, as its policy for scripts doesn't hold for this.
                    window.axe ?? (0, window.eval)(source);
                    const { violations } = await window.axe.run(document);
                    const tooWide = document.documentElement.scrollWidth - window.innerWidth;
                    return { violations, tooWide };
                }, axe.source);
                const words = found.violations.map(
                    ({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html} (${nodes.length})`,
                );
                assert.deepEqual(words, [], `${name}, ${scheme}, ${width}`);
                assert(found.tooWide <= 0, `${name}, ${width}: ${found.tooWide} too wide`);
                await this.picture(`${name}-${scheme}-${width}`);
            }
        }
        await this.otherEyes(name);
        await this.page.emulateMedia({ colorScheme: 'light' });
        await this.page.setViewportSize({ width: WIDTHS.wide, height: 800 });
    }

    // With colours of the person's own, and with letters of twice the size.
    async otherEyes(name) {
        await this.page.emulateMedia({ colorScheme: 'light', forcedColors: 'active' });
        await this.picture(`${name}-forced-colours`);
        await this.page.emulateMedia({ forcedColors: 'none' });
        await this.page.setViewportSize({ width: 640, height: 800 });
        const tooWide = await this.page.evaluate(() => {
            document.documentElement.style.fontSize = '200%';
            return document.documentElement.scrollWidth - window.innerWidth;
        });
        await this.picture(`${name}-large`);
        await this.page.evaluate(() => document.documentElement.removeAttribute('style'));
        assert(tooWide <= 0, `${name}, letters twice as large: ${tooWide} too wide`);
    }

    async picture(name) {
        if (SHOTS) await this.page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
    }
}

// Chromium, which asks nobody but this machine.
function launch() {
    return chromium.launch({
        executablePath: '/usr/bin/chromium',
        args: [
            '--no-sandbox',
            '--disable-gpu',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
        ],
    });
}

module.exports = { ADDRESS, FRESH, REBOUND, Person, ask, launch };
