/**
 * Preload for the orchestrator of `npm run crash`, `--import file:///…/places.mjs?folder=DIR`: at a place that the order in
 * `DIR/order.json` names, the cell's name is written and synced into a file of its own, and then the victim is killed with -9: this
 * process itself, or the PostgreSQL that the order names. A cell fires once, for its file stays. The product only publishes its places;
 * that anybody dies there is known to this file alone.
 *
 * Order: `{slug, phases: {stepId: phase}, victimPid?, cells: [{id, place, at, act?, after?}]}`. `at` is a phase, or `<phase>/<step>` with the
 * step's id without its number and its cluster's name; `after` is a cell that must have fired in an earlier process.
 */
import { subscribe } from 'node:diagnostics_channel';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const folder = new URL(import.meta.url).searchParams.get('folder') ?? '';
const STEP = /^\d{2}-[^/]+/;
/** Places whose detail is a schema, or begins with one. */
const OF_A_LOG = /-(relay-published|checkpoint-moved|lease-renewed)$/;

/** A journal's key is `<rollout>/<step>/<attempt>/<act>/<number>`. */
const ACT_IN_KEY = 3;
const STORE_LIMIT_MS = 15_000;
const LOOK_EVERY_MS = 50;
const STILL = new Int32Array(new SharedArrayBuffer(4));

/** The step that this process acts for; what was handed over to a host is named by its journal's key, not by its step. */
let acting = '';

subscribe('understudy:crash-place', (said) => {
  const order = read('order.json', JSON.parse);
  if (order === undefined || isOfAnotherLog(said)) return;
  const cell = order.cells.find(isCellOf(said, stepOf(order, said), order));
  if (cell !== undefined) kill(cell, order, said);
});

function isOfAnotherLog({ place, detail }) {
  return OF_A_LOG.test(place) && !`${detail} `.startsWith('orchestrator ');
}

/** `<phase>/<step>` of the place, kept for the places after it that cannot name theirs. */
function stepOf(order, { place, detail }) {
  const step = place === 'after-act-sent' ? acting : nameOf(order, detail);
  if (place === 'before-act-sent') acting = step;
  if (step !== '') note(step);
  return step;
}

/**
 * A phase's place waits until the step under way was killed at its own: a process that died of a renewed lease in the middle of an act
 * finds the step done when it comes back, and the act's places are never reached.
 */
function isCellOf({ place, detail }, step, order) {
  const current = read('step', String) ?? 'admit/';
  const act = detail.split('/')[place === 'after-act-sent' ? ACT_IN_KEY : 1];
  const isOpen = ({ id, at }) => at === current && !existsSync(join(folder, id));
  const isOfPhase = ({ at }) => at === current.split('/')[0] && !order.cells.some(isOpen);
  const isHere = (each) => each.place === place && (each.at === step || isOfPhase(each));
  return (each) => isHere(each) && (each.act ?? act) === act && isDue(each);
}

function kill(cell, order, { place, detail }) {
  const victim = order.victimPid === undefined ? process.pid : livingStore();
  if (!fire(cell, `${process.pid} ${place} ${detail}`)) return;
  process.kill(victim, 'SIGKILL');
  // Another's death takes a moment, and no second cell shall be taken by it.
  while (isAlive(victim)) Atomics.wait(STILL, 0, 0, 1);
}

/** The place may come while the store is still away from the kill before: this process then stands still until there is one again. */
function livingStore() {
  const until = Date.now() + STORE_LIMIT_MS;
  for (;;) {
    const { victimPid } = read('order.json', JSON.parse) ?? {};
    if (isAlive(victimPid)) return victimPid;
    if (Date.now() > until) throw new Error(`No store to kill within ${STORE_LIMIT_MS} ms.`);
    Atomics.wait(STILL, 0, 0, LOOK_EVERY_MS);
  }
}

/** proc(5): the state follows the command's name in parentheses; Z = dead, and its parent has not looked yet. */
function isAlive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** `<phase>/<step>`; '' where no step is meant. What the plan does not name was added by a way back. */
function nameOf({ slug, phases }, detail) {
  const [stepId] = STEP.exec(detail) ?? [];
  return stepId === undefined ? '' : `${phases[stepId] ?? 'recovery'}/${stepId.slice(3).replace(`${slug}-`, '')}`;
}

function isDue({ id, after }) {
  if (existsSync(join(folder, id))) return false;
  if (after === undefined) return true;
  const before = read(after, String);
  return before !== undefined && !before.startsWith(`${process.pid} `);
}

/** The step under way outlives this process. */
function note(step) {
  if (read('step', String) !== step) writeFileSync(join(folder, 'step'), step);
}

/** False when another process was faster. */
function fire({ id }, words) {
  try {
    const file = openSync(join(folder, id), 'wx');
    writeSync(file, words);
    fsyncSync(file);
    closeSync(file);
    return true;
  } catch {
    return false;
  }
}

function read(name, parse) {
  try {
    return parse(readFileSync(join(folder, name), 'utf8'));
  } catch {
    return undefined;
  }
}
