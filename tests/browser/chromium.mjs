// A headless chromium over two pipes, for the scripts beside this file: no port is open and nothing is installed beside
// node and chromium.

import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds that chromium has to close by itself, and that its folder has to become free. */
const PATIENCE = 5_000;

/** One browser: sends commands, hands out events. */
export class Chromium {
  constructor(folder) {
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-default-apps',
      '--disable-extensions', '--no-proxy-server', '--remote-debugging-pipe', `--user-data-dir=${folder}`, 'about:blank'];
    const program = process.env.TOKENSTRAP_CHROMIUM ?? 'chromium';
    // A process group of its own, so that nothing of it outlives the visit.
    this.child = spawn(program, flags, {
      detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: folder },
    });
    this.ended = new Promise((resolve) => { this.child.on('exit', resolve); this.child.on('error', resolve); });
    this.waiting = new Map();
    this.listeners = [];
    this.last = 0;
    let rest = '';
    this.child.stdio[3].on('error', () => {});
    this.child.stdio[4].setEncoding('utf8').on('data', (chunk) => {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop();
      messages.forEach((message) => this.take(JSON.parse(message)));
    });
  }

  take(message) {
    const settle = this.waiting.get(message.id);
    if (!settle) return this.listeners.forEach((listener) => listener(message));
    this.waiting.delete(message.id);
    return settle(message);
  }

  async send(method, params = {}) {
    const id = ++this.last;
    const answer = new Promise((resolve) => this.waiting.set(id, resolve));
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.session })}\0`);
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Asks it to close, and kills what is left of it after a while. */
  async close() {
    this.session = undefined;
    this.send('Browser.close').catch(() => {});
    await Promise.race([this.ended, pause(PATIENCE, undefined, { ref: false })]);
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nothing is left, or it never started.
    }
    await this.ended;
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
}

/** Notes what the page asks for and complains about, and hands each loaded page to `visit`. */
export function watch(browser, seen, visit) {
  browser.listeners.push(({ method, params }) => {
    if (method === 'Network.requestWillBeSent') seen.requested.push(params.request.url);
    if (method === 'Network.responseReceived' && params.type === 'Document') {
      seen.responses.push({ url: params.response.url, status: params.response.status, headers: params.response.headers });
    }
    if (method === 'Log.entryAdded') seen.console.push(`${params.entry.source} ${params.entry.url ?? ''}: ${params.entry.text}`);
    if (method === 'Runtime.exceptionThrown') seen.console.push(`exception: ${params.exceptionDetails.text}`);
    if (method === 'Runtime.consoleAPICalled') seen.console.push(params.args.map((part) => part.value).join(' '));
    if (method === 'Page.loadEventFired') visit();
  });
}

/** Removes the folder; processes that are just dying may still write there. */
export async function discard(folder) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await pause(20)) {
    try {
      return await rm(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') return console.error(error.message);
    }
  }
  return console.error(`${folder} stays behind`);
}
