'use strict';

// Calls as they come, and what the next ones are answered. Texts from outside only ever become text nodes.

const at = (id) => document.getElementById(id);
const MOST = 200;
let soon;

function make(name, text, ...children) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  element.append(...children);
  return element;
}

function say(text, wrong = false) {
  at('said').textContent = text;
  at('said').classList.toggle('wrong', wrong);
}

async function post(path, body) {
  try {
    const answer = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const document = await answer.json();
    if (!answer.ok) throw new Error(document.error);
    return document;
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

async function set(word, value) {
  const done = await post('set', { set: [[word, value]] });
  if (done) say(done.done.join('; '));
  await show();
}

/** One field that is saved when it is left, with Enter too. A field that somebody writes in is not written over. */
function field(place, id, label, value, word, choices) {
  let input = at(id);
  if (!input) {
    input = make(choices ? 'select' : 'input');
    input.id = id;
    if (choices) input.append(...choices.map(([name, text]) => Object.assign(make('option', text), { value: name })));
    input.autocomplete = 'off';
    input.addEventListener('change', () => set(word, input.value));
    place.append(make('label', label, input));
  }
  if (document.activeElement !== input || choices) input.value = value;
}

function group(place, id, name) {
  if (!at(id)) {
    const fields = Object.assign(make('div'), { id, className: 'fields' });
    place.append(make('fieldset', undefined, make('legend', name), fields));
  }
  return at(id);
}

async function show() {
  const answer = await fetch('state');
  if (!answer.ok) return;
  const { calls, order, shop, faults } = await answer.json();
  for (const name of order) {
    const call = calls[name];
    const place = group(at('next'), `next-${name}`, call.forward ? `${name}, passed on to ${call.forward}` : name);
    const outcomes = [['', 'shop decides'], ...call.outcomes.map((outcome) => [outcome, outcome])];
    field(place, `outcome-${name}`, 'outcome', call.outcome ?? '', `${name}.outcome`, outcomes);
    if (['checkout', 'topup', 'refund'].includes(name)) field(place, `amount-${name}`, 'amount', call.set.amount ?? '', `${name}.amount`);
    field(place, `fault-${name}`, 'fault, once', call.faults[0] ?? '', `${name}.fault`, [['', 'none'], ...faults.map((fault) => [fault, fault])]);
  }
  const cards = group(at('cards'), 'all-cards', 'balance');
  shop.cards.forEach((card) => field(cards, `card-${card.id}`, card.id, card.balance, `card.${card.id}`));
  const customers = group(at('customers'), 'all-customers', 'points');
  for (const customer of shop.customers) {
    field(customers, `customer-${customer.id}`, `${customer.first_name} ${customer.last_name}`, customer.points, `customer.${customer.id}`);
  }
}

function list(items, name) {
  const element = make('ul', undefined, ...items.map((item) => make('li', item)));
  element.className = name;
  return element;
}

function details(call) {
  const inside = make('div');
  const pairs = call.fields.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);
  inside.append(make('dl', undefined, make('dt', call.method), make('dd', call.path), ...pairs));
  if (call.remarks.length) inside.append(list(call.remarks, 'remarks'));
  if (call.why.length) inside.append(make('p', 'Why this answer'), list(call.why, 'why'));
  inside.append(make('pre', typeof call.answer === 'string' ? call.answer : JSON.stringify(call.answer, null, 2)));
  if (call.call) {
    const again = Object.assign(make('button', 'Send again'), { type: 'button' });
    again.addEventListener('click', async () => {
      const done = await post('resend', { number: call.number });
      if (done) say(`sent again, answered with ${done.status}`);
    });
    inside.append(again);
  }
  return inside;
}

function add(call) {
  if (at(`call-${call.number}`)) return;
  const time = make('time', new Date(call.at).toLocaleTimeString());
  const head = make('summary', undefined, time, ' ', make('b', call.call ?? call.method), ' ', make('span', call.asked));
  head.append(Object.assign(make('span', `${call.answered} (${call.status}, ${call.ms} ms)`), { className: 'answered' }));
  const item = make('li', undefined, make('details', undefined, head, details(call)));
  item.id = `call-${call.number}`;
  if (call.remarks.length || call.status >= 400) item.className = 'wrong';
  at('calls').prepend(item);
  at('none').hidden = true;
  while (at('calls').childElementCount > MOST) at('calls').lastElementChild.remove();
}

/** Everything that came before and while the line was down, then what comes. */
function follow() {
  const events = new EventSource('events');
  events.addEventListener('open', async () => {
    at('line').textContent = 'listening';
    const answer = await fetch('calls');
    if (answer.ok) (await answer.json()).calls.forEach(add);
    await show();
  });
  events.addEventListener('message', (event) => {
    add(JSON.parse(event.data));
    // A rush of calls asks for the state once.
    clearTimeout(soon);
    soon = setTimeout(show, 100);
  });
  events.addEventListener('error', () => { at('line').textContent = 'not connected; is the server still running?'; });
}

at('reset').addEventListener('click', async () => {
  const done = await post('set', { reset: true });
  if (done) say(done.done.join('; '));
  await show();
});
follow();
