// The page works without this. It keeps what is shown fresh, puts times into the person's own time
// zone, and copies.
'use strict';

// The numbers change with every mail; a person who looks waits no longer than this.
const FRESH = 5000;
// How soon a page that waits for something looks again.
const AGAIN = 1500;
// How long a copy button says that it has copied.
const COPIED = 2000;

const news = document.getElementById('news');
const language = navigator.language.startsWith('en') ? navigator.language : 'en-GB';
const forms = {
    moment: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
    day: { day: 'numeric', month: 'short', year: 'numeric' },
};

function dress(part) {
    for (const time of part.querySelectorAll('time[data-form]')) {
        const format = new Intl.DateTimeFormat(language, forms[time.dataset.form]);
        time.textContent = format.format(new Date(time.dateTime));
    }
    for (const button of part.querySelectorAll('.copy')) button.hidden = !navigator.clipboard;
}

// What the server said last of each part; what is shown has been changed here.
const said = new Map();

// Puts in what is new. What a person has focused or opened stays so; where they type or have selected
// something, all stays.
function show(fresh) {
    for (const part of document.querySelectorAll('[data-live]')) {
        const next = fresh.getElementById(part.id);
        if (!next || next.innerHTML === said.get(part.id)) continue;
        const selection = document.getSelection();
        if (part.querySelector('input:focus')) continue;
        if (selection && !selection.isCollapsed && selection.containsNode(part, true)) continue;
        said.set(part.id, next.innerHTML);
        const focused = part.contains(document.activeElement) && document.activeElement;
        const open = [...part.querySelectorAll('details[open]')].map((details) => details.id);
        dress(next);
        for (const id of open) next.querySelector(`#${id}`)?.setAttribute('open', '');
        part.replaceChildren(...next.childNodes);
        // A summary has no id of its own.
        const id = focused && (focused.id || focused.parentElement.id);
        if (!id) continue;
        const again = document.getElementById(id);
        (again?.querySelector(':scope > summary') ?? again)?.focus({ preventScroll: true });
    }
    if (document.title !== fresh.title) {
        document.title = fresh.title;
        news.textContent = document.getElementById('verdict').textContent;
    }
}

async function refresh() {
    if (document.hidden) return;
    const away = document.getElementById('away');
    let text;
    try {
        const answer = await fetch('/fragment');
        // The visit is over: the page itself says what to do.
        if (!answer.ok) return location.reload();
        text = await answer.text();
    } catch {
        if (away.hidden) news.textContent = away.querySelector('h1').textContent;
        away.hidden = false;
        return;
    }
    away.hidden = true;
    show(new DOMParser().parseFromString(text, 'text/html'));
}

document.addEventListener('click', async ({ target }) => {
    const button = target.closest('.copy');
    if (!button) return;
    try {
        await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
        return;
    }
    const label = button.firstChild;
    label.data = 'Copied';
    news.textContent = 'Copied';
    setTimeout(() => {
        label.data = 'Copy';
        news.textContent = '';
    }, COPIED);
});

if (document.querySelector('[data-reload]')) setTimeout(() => location.reload(), AGAIN);

const live = document.querySelectorAll('[data-live]');
for (const part of live) said.set(part.id, part.innerHTML);
dress(document);
if (live.length > 0) {
    setInterval(refresh, FRESH);
    document.addEventListener('visibilitychange', refresh);
}
