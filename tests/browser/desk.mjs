#!/usr/bin/env node
// A person at the desk with a real browser: watches a call arrive, changes the next answer, sends a call again.
//
//   desk.mjs --calls BASE --pictures FOLDER URL
//
// URL is the printed address of the desk, BASE what the addresses of the register's calls begin with. Writes one JSON document.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { Chromium, discard, watch } from './chromium.mjs';

/** Milliseconds after which something that was waited for is reported as missing. */
const LIMIT = 30_000;

const { values: wanted, positionals: [start] } = parseArgs({
  allowPositionals: true, options: { calls: { type: 'string' }, pictures: { type: 'string' } },
});

/** Waits until an expression is true in the page; gives the milliseconds that it took. */
async function until(browser, expression) {
  const begin = Date.now();
  for (;;) {
    // Between two pages there is nothing to look at.
    const value = await browser.evaluate(expression).catch(() => false);
    if (value) return Date.now() - begin;
    if (Date.now() - begin > LIMIT) throw new Error(`in vain: ${expression}\n${await browser.evaluate('document.body.innerText')}`);
    await pause(20);
  }
}

async function press(browser, key) {
  const code = { Tab: 9, Enter: 13 }[key];
  for (const type of ['keyDown', 'keyUp']) {
    const text = type === 'keyDown' && key === 'Enter' ? '\r' : undefined;
    await browser.send('Input.dispatchKeyEvent', { type, key, code: key, windowsVirtualKeyCode: code, text });
  }
}

const checkout = async () => {
  const body = new URLSearchParams({ reference_id: 'GC-1001', amount: '18.00', order_id: '880417' });
  return (await fetch(`${wanted.calls}/checkout`, { method: 'POST', body })).json();
};

async function visit(browser, seen) {
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  browser.session = (await browser.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await browser.send(`${domain}.enable`);
  watch(browser, seen, () => {});
  await browser.send('Page.navigate', { url: start });
  await until(browser, "document.getElementById('line')?.textContent === 'listening'");

  await fetch(`${wanted.calls}/search?keyword=${encodeURIComponent('<b>david</b>')}&order_id=111`);
  seen.arrived = await until(browser, "document.querySelector('#calls > li')?.textContent.includes('<b>david</b>')");
  seen.markup = await browser.evaluate("document.querySelectorAll('#calls b').length");

  // By keyboard alone: the field is filled and Enter saves it.
  await until(browser, "document.getElementById('amount-checkout') !== null");
  await browser.evaluate("document.getElementById('amount-checkout').focus()");
  await browser.send('Input.insertText', { text: '12.50' });
  await press(browser, 'Enter');
  await until(browser, "document.getElementById('said').textContent.includes('12.50')");
  seen.changed = await checkout();
  await until(browser, "document.querySelectorAll('#calls > li').length === 2");
  await until(browser, "document.getElementById('card-GC-1001').value === '30.00'");

  await browser.evaluate("document.querySelector('#calls details').open = true");
  await browser.evaluate("document.querySelector('#calls > li button').focus()");
  await press(browser, 'Enter');
  await until(browser, "document.querySelectorAll('#calls > li').length === 3");
  await until(browser, "document.getElementById('card-GC-1001').value !== '30.00'");
  seen.balance = await browser.evaluate("document.getElementById('card-GC-1001').value");

  mkdirSync(wanted.pictures, { recursive: true });
  for (const width of [1280, 390]) {
    for (const scheme of ['light', 'dark']) {
      await browser.send('Emulation.setDeviceMetricsOverride', { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
      await browser.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await browser.evaluate('scrollTo(0, 0)');
      seen.widths.push([width, await browser.evaluate('document.documentElement.scrollWidth')]);
      const { data } = await browser.send('Page.captureScreenshot', { format: 'png' });
      writeFileSync(join(wanted.pictures, `desk-${width}-${scheme}.png`), Buffer.from(data, 'base64'));
    }
  }
  seen.href = await browser.evaluate('location.href');
}

const folder = mkdtempSync(join(tmpdir(), 'desk-'));
const browser = new Chromium(folder);
const seen = { error: null, requested: [], responses: [], console: [], widths: [] };
const dead = browser.ended.then(() => { throw new Error('chromium ended'); });
dead.catch(() => {});
try {
  await Promise.race([visit(browser, seen), dead]);
} catch (error) {
  seen.error = error.message;
}
await browser.close();
await discard(folder);
process.stdout.write(JSON.stringify(seen));
