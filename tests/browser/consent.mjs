#!/usr/bin/env node
// A resource owner with a real browser: headless chromium that consents and says what it saw.
//
//   consent.mjs --report PORT [--screenshot FILE] [--login NAME] [--refuse] [--until REGEX] [--code USER_CODE] URL
//
// It opens URL, fills in every form it meets and presses its button until it stands on a page whose path matches REGEX
// (default ^/done$). Then it takes the screenshot and sends one JSON document to 127.0.0.1:PORT. It fits into $BROWSER:
// the URL is the last argument. The DevTools protocol goes over two pipes, so that no port is open and nothing is
// installed beside node and chromium.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { Chromium, discard, watch } from './chromium.mjs';

/** Milliseconds after which a login that has not come home is reported as lost; the slowest one seen took 6 s. */
const LIMIT = 60_000;

const { values: wanted, positionals: [start] } = parseArgs({
  allowPositionals: true,
  options: {
    report: { type: 'string' }, screenshot: { type: 'string' }, login: { type: 'string', default: 'merchant' },
    refuse: { type: 'boolean', default: false }, until: { type: 'string', default: '^/done$' }, code: { type: 'string', default: '' },
  },
});

/** Runs inside the page: fills in what is asked for and presses the button; says what it pressed. */
function answer(login, code, refuse) {
  const form = document.querySelector('form');
  if (!form) return null;
  for (const field of form.querySelectorAll('input')) {
    if (field.type === 'hidden' || field.value) continue;
    field.value = field.name === 'user_code' ? code : login;
  }
  const buttons = [...document.querySelectorAll('button, input[type=submit]')];
  const no = buttons.find((button) => /^(refuse|abort|no)$/.test(button.value) || /refuse|abort|cancel/i.test(button.textContent));
  const yes = buttons.find((button) => button !== no);
  const pressed = (refuse && no) || yes;
  if (pressed) pressed.click();
  else form.submit();
  return pressed ? pressed.textContent.trim() : 'submit';
}

/** Runs inside the page: what a person, a script or the history could read there. */
function describe() {
  const text = document.body ? document.body.innerText : '';
  return {
    href: location.href, title: document.title, text, html: document.documentElement.outerHTML,
    performance: performance.getEntries().map((entry) => entry.name), referrer: document.referrer, history: history.length,
  };
}

async function walk(browser, seen) {
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  browser.session = (await browser.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await browser.send(`${domain}.enable`);
  const home = new Promise((resolve, reject) => {
    const visit = async () => {
      const { pathname } = new URL(await browser.evaluate('location.href'));
      if (new RegExp(wanted.until).test(pathname)) return resolve();
      const pressed = await browser.evaluate(`(${answer})(${JSON.stringify(wanted.login)}, ${JSON.stringify(wanted.code)}, ${wanted.refuse})`);
      if (pressed !== null) seen.pressed.push(pressed);
      return undefined;
    };
    // A page that is left while it is looked at is no failure: the next one is loaded in a moment.
    watch(browser, seen, () => visit().catch((error) => (/context|navigated/i.test(error.message) ? undefined : reject(error))));
  });
  const { errorText } = await browser.send('Page.navigate', { url: start });
  if (errorText) throw new Error(errorText);
  await home;
  Object.assign(seen, await browser.evaluate(`(${describe})()`));
}

async function photograph(browser) {
  if (!wanted.screenshot) return;
  const { data } = await browser.send('Page.captureScreenshot', { format: 'png' });
  mkdirSync(dirname(wanted.screenshot), { recursive: true });
  writeFileSync(wanted.screenshot, Buffer.from(data, 'base64'));
}

function report(seen) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(wanted.report), '127.0.0.1', () => socket.end(JSON.stringify(seen)));
    socket.on('close', resolve);
    socket.on('error', reject);
  });
}

const folder = mkdtempSync(join(tmpdir(), 'consent-'));
const browser = new Chromium(folder);
const seen = { start, error: null, pressed: [], requested: [], responses: [], console: [] };
let alarm;
const late = new Promise((_, reject) => { alarm = setTimeout(() => reject(new Error('no page with the awaited path in time')), LIMIT); });
const dead = browser.ended.then(() => { throw new Error('chromium ended'); });
dead.catch(() => {});
try {
  await Promise.race([walk(browser, seen).then(() => photograph(browser)), late, dead]);
} catch (error) {
  seen.error = error.message;
  // What the browser stood on tells more than the error; where it does not answer, the error has to do.
  const last = await Promise.race([browser.evaluate(`(${describe})()`), dead]).catch(() => ({}));
  Object.assign(seen, last);
}
clearTimeout(alarm);
await browser.close();
await discard(folder);
await report(seen);
