// The status page in Chromium, as a person uses it: a journey by its name. Whatever has to happen
// elsewhere meanwhile is asked for by a line on standard output, and answered by one on standard input;
// see tests/real/page.rs. Each page that is looked at is held against axe's rules (person.js), in light
// and dark, wide and narrow; SHOTS names a folder for pictures of them.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { ADDRESS, FRESH, REBOUND, Person, ask, launch } = require('./person.js');

// Who has no link gets no further, and learns nothing.
async function strangers(browser) {
    const link = await ask('link');
    const { origin, port } = new URL(link);
    const stranger = await Person.sitDown(browser);
    stranger.expecting(401);
    await stranger.page.goto(origin);
    await stranger.heading('This page is for you alone');
    await stranger.look('no-visit');

    const person = await Person.sitDown(browser);
    await person.page.goto(link);
    await person.page.waitForURL(`${origin}/`);
    stranger.expecting(403);
    await stranger.page.goto(link);
    await stranger.heading('This link has been used, or is too old');
    await stranger.look('link-used-up');

    stranger.expecting(421);
    stranger.expected.push("the URL's origin was untrustworthy");
    await stranger.page.goto(`http://${REBOUND}:${port}/`);
    await stranger.heading('This is not the address of this page');
    await stranger.look('wrong-host');
    const said = await stranger.page.textContent('body');
    assert(!said.includes('@'), said);
    await stranger.leave();

    person.expecting(404);
    await person.page.goto(`${origin}/nowhere`);
    await person.heading('There is no such page');
    await person.look('not-found');
    await person.page.goto(origin);
    person.expecting(403);
    await person.page.locator('input[name=csrf]').first().evaluate((input) => (input.value = 'x'));
    await person.page.getByLabel('Gmail address').fill(ADDRESS);
    await person.button('Sign in').click();
    await person.heading('Gatepost did not do that');
    await person.look('refused');

    await person.page.goto(origin);
    person.expecting(400);
    await person.page.locator('form').last().evaluate((form) => (form.noValidate = true));
    await person.page.getByLabel('Gmail address').fill('anna');
    await person.button('Sign in').click();
    await person.heading('That did not work');
    await person.look('failed');
    await person.leave();
}

// Adds the account through the consent page, and gives its local password.
async function add(person) {
    await person.page.getByLabel('Gmail address').fill(ADDRESS);
    await person.button('Sign in').click();
    await person.button('Allow').click();
    await person.heading('You are signed in');
    return person.page.locator('.secret').first().textContent();
}

// Adds the account, lets a mail program in, and goes to the overview; gives the person and the password.
async function atTheirAccount(browser) {
    const person = await Person.sitDown(browser);
    await person.comeIn();
    const password = await add(person);
    await ask('sign-on', password);
    await person.link('To the overview').click();
    await person.state('Ready');
    return [person, password];
}

async function addAndSetUp(browser) {
    const person = await Person.sitDown(browser, {
        permissions: ['clipboard-read', 'clipboard-write'],
    });
    await ask('no-client');
    await person.comeIn();
    await person.heading('Gatepost is not set up yet');
    assert.equal(await person.page.getByLabel('Gmail address').count(), 0);
    await person.look('no-client');
    await ask('client');
    await person.heading('No account yet');
    await person.page.getByLabel('Gmail address').waitFor();
    await person.look('empty');

    const password = await add(person);
    await person.look('added');
    assert(password.length >= 20, password);
    await person.attend();
    await person.button('Copy the local password').click();
    await person.noted('button: Copied');
    await person.noted('status: Copied');
    await person.pastes(password);

    await person.link('To the overview').click();
    await person.heading(/is locked|All is well/);
    await ask('sign-on', password);
    await person.state('Ready');
    await person.heading('All is well');
    await person.page.getByText('1 reading').waitFor({ timeout: FRESH });
    await person.page.getByText('As a table').click();
    await person.page.getByRole('table').waitFor();
    await person.look('well');

    await person.link(/Set up a mail program/).click();
    await person.heading('Set up a mail program');
    const ports = (await ask('ports')).split(' ');
    for (const [name, value] of [
        ['the server, Incoming (IMAP)', '127.0.0.1'],
        ['the port, Incoming (IMAP)', ports[0]],
        ['the port, Outgoing (SMTP)', ports[1]],
        ['the user name', ADDRESS],
    ]) {
        await person.button(`Copy ${name}`).click();
        await person.pastes(value);
    }
    assert(!(await person.page.content()).includes(password), 'the password is shown once');
    for (const program of await person.page.locator('.programs summary').all()) await program.click();
    await person.look('settings');
    for (const [program, file] of [
        ['outlook', 'gatepost.prf'],
        ['thunderbird', 'gatepost.xml'],
        ['apple', 'gatepost.mobileconfig'],
    ]) {
        const download = person.page.waitForEvent('download');
        await person.link(`Download ${file}`).click();
        const saved = await download;
        assert.equal(saved.suggestedFilename(), file);
        const contents = fs.readFileSync(await saved.path());
        assert.equal(contents.toString('base64'), await ask('file', program), file);
    }
    await person.leave();
}

async function signInAgain(browser) {
    const [person, password] = await atTheirAccount(browser);

    // The page learns of it by itself, and says it to a screen reader.
    await ask('end-grant');
    await person.state('Needs you to sign in again');
    await person.heading(`${ADDRESS} needs you to sign in again`);
    const news = await person.page.getByRole('status').textContent();
    assert.equal(news, `${ADDRESS} needs you to sign in again`);
    await person.look('needs-sign-in');

    const again = person.button(`Sign in again as ${ADDRESS}`);
    person.expecting(400);
    await again.click();
    await person.button('Cancel').click();
    await person.link('Back to Gatepost').click();
    await person.heading('You are not signed in');
    await person.look('not-signed-in');
    await again.click();
    await person.button('Allow').click();
    await person.page.getByText('The local password stays as it is').waitFor();
    await person.look('signed-in');
    await person.link('To the overview').click();
    await person.heading('All is well');
    await ask('sign-on', password);

    // Where the provider asks nothing, the form leads through it and back in one go.
    await ask('consent-at-once');
    await again.click();
    await person.page.waitForURL(/signed-in/);
    await person.heading('You are signed in');
    await person.leave();
}

async function troubles(browser) {
    const [person, password] = await atTheirAccount(browser);

    person.expected.push('net::ERR_CONNECTION_REFUSED');
    await ask('stop');
    await person.page.locator('#away').waitFor({ timeout: FRESH });
    await person.look('away');
    await ask('start');
    await person.comeIn();
    await person.heading(`${ADDRESS} is locked`);
    await person.look('locked');
    await ask('google-away', password);
    await person.state('Google can’t be reached');
    await person.look('unreachable');
    await ask('google-back', password);
    await person.state('Ready');
    await person.page.getByText('gives tokens for the account again').waitFor({ timeout: FRESH });
    await person.leave();
}

async function forget(browser) {
    const person = await Person.sitDown(browser);
    await person.comeIn();
    await add(person);
    await person.link('To the overview').click();
    await person.link(/Forget/).click();
    await person.heading(`Forget ${ADDRESS}?`);
    await person.page.getByText('on every machine').waitFor();
    await person.look('forget');
    await person.link('Keep it').click();
    await person.link(/Forget/).click();
    await person.button('Only forget here').click();
    await person.heading('No account yet');
    assert.equal(await ask('revocations'), '0');
    await add(person);
    await person.link('To the overview').click();
    await person.link(/Forget/).click();
    await person.button('Forget and revoke').click();
    await person.heading('No account yet').catch(async () => {
        throw new Error(await person.page.textContent('main'));
    });
    assert.equal(await ask('revocations'), '1');
    await person.leave();
}

// Nothing but a keyboard; and what a person has in hand stays there while the page is refreshed.
async function keyboard(browser) {
    const person = await Person.sitDown(browser);
    const { page } = person;
    await person.comeIn();
    const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
    const to = async (reached, what) => {
        for (let steps = 0; steps < 40; steps += 1) {
            await page.keyboard.press('Tab');
            if (await page.evaluate(reached)) {
                const outline = await page.evaluate(
                    () => getComputedStyle(document.activeElement).outlineStyle,
                );
                assert.notEqual(outline, 'none', `${what} shows that it has the focus`);
                return;
            }
        }
        assert.fail(`no way to ${what}`);
    };
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await to(() => document.activeElement.id === 'address', 'the address');
    await page.keyboard.type(ADDRESS);
    await page.keyboard.press('Enter');
    await person.button('Allow').waitFor();
    await to(() => document.activeElement.textContent === 'Allow', 'Allow');
    await page.keyboard.press('Enter');
    await person.heading('You are signed in');
    const password = await page.locator('.secret').first().textContent();
    await to(() => document.activeElement.id === 'copy-password', 'the copy button');
    await to(() => document.activeElement.textContent === 'To the overview', 'the overview');
    await page.keyboard.press('Enter');
    await ask('sign-on', password);
    await person.state('Ready');
    await page.getByText('1 reading').waitFor({ timeout: FRESH });

    await to(() => document.activeElement.textContent === 'As a table', 'the table');
    await page.keyboard.press('Enter');
    await page.getByRole('table').waitFor();
    await page.evaluate(() => window.scrollTo(0, 180));
    await ask('sign-on', password);
    await page.getByText('2 reading').waitFor({ timeout: FRESH });
    assert.equal(await focused(), 'As a table');
    assert(await page.getByRole('table').isVisible(), 'the table stays open');
    assert.equal(await page.evaluate(() => window.scrollY), 180);

    await to(() => document.activeElement.id === 'forget-1', 'Forget');
    await page.keyboard.press('Enter');
    await person.heading(`Forget ${ADDRESS}?`);
    await to(() => document.activeElement.name === 'keep_grant', 'Only forget here');
    await page.keyboard.press('Enter');
    await person.heading('No account yet');
    await person.leave();
}

async function withoutScript(browser) {
    const person = await Person.sitDown(browser, { javaScriptEnabled: false });
    const { page } = person;
    await person.comeIn();
    const password = await add(person);
    assert.equal(await person.button(/Copy/).count(), 0, 'no button that does nothing');
    await person.link('To the overview').click();
    await ask('sign-on', password);
    await page.reload();
    await person.state('Ready');
    assert.match(await page.locator('.events time').first().textContent(), /UTC$/);
    await page.getByText('As a table').click();
    await page.getByRole('table').waitFor();
    await ask('end-grant');
    await page.reload();
    await person.state('Needs you to sign in again');
    await person.button(`Sign in again as ${ADDRESS}`).click();
    await person.button('Allow').click();
    await person.heading('You are signed in');
    await person.link('To the overview').click();
    await person.link(/Set up a mail program/).click();
    const download = page.waitForEvent('download');
    await page.locator('.programs summary').first().click();
    await person.link('Download gatepost.prf').click();
    assert.equal((await download).suggestedFilename(), 'gatepost.prf');
    await person.link('To the overview').click();
    await person.link(/Forget/).click();
    await person.button('Forget and revoke').click();
    await person.heading('No account yet');
    assert.equal(await ask('revocations'), '1');
    await person.leave();
}

const journeys = {
    strangers,
    'add-and-set-up': addAndSetUp,
    'sign-in-again': signInAgain,
    troubles,
    forget,
    keyboard,
    'without-script': withoutScript,
};

async function main() {
    const browser = await launch();
    try {
        await journeys[process.argv[2]](browser);
    } catch (error) {
        for (const context of browser.contexts()) {
            for (const page of context.pages()) {
                console.error(page.url(), await page.textContent('main').catch(String));
            }
        }
        throw error;
    }
    await browser.close();
    process.exit(0);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
