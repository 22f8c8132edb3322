#!/usr/bin/env node
/**
 * Reads a demo's last line from stdin and holds it to what its scenario promises: `node tools/check-demo.mjs happy succeeded`.
 * Exit code 1 and one line per broken promise.
 */
import { readFileSync } from 'node:fs';

const [scenario, result] = process.argv.slice(2);
const line = readFileSync(0, 'utf8').trim();
const broken = [];
const hold = (promise, kept) => kept || broken.push(promise);

let told;
try {
  told = JSON.parse(line);
} catch {
  process.stderr.write(`the demo's last line is not JSON: ${line.slice(0, 200)}\n`);
  process.exit(1);
}
hold(`scenario is "${scenario}"`, told.scenario === scenario);
hold(`result is "${result}"`, told.result === result);
hold('the chain verifies', told.chain === 'intact');
hold('no acknowledged write is lost', told.lostWrites === 0);
if (result === 'succeeded') holdSucceeded();
if (result === 'rolled-back')
  hold('every node runs the version from before', nodesThat(stayed).length === nodesThat(() => true).length);

for (const promise of broken) process.stderr.write(`broken promise of the demo: ${promise}; it says ${line}\n`);
process.exit(broken.length === 0 ? 0 : 1);

function holdSucceeded() {
  hold('at least 500 writes were acknowledged', told.acknowledgedWrites >= 500);
  hold('an interruption was measured', Number.isFinite(told.interruptionMs) && told.interruptionMs > 0 && told.resolutionMs > 0);
  hold('every node runs another version than before', nodesThat(stayed).length === 0);
  hold('all nodes run one version', new Set(Object.values(told.versionsAfter)).size === 1);
}

function stayed(node) {
  return told.versionsBefore[node] === told.versionsAfter[node];
}

function nodesThat(predicate) {
  return Object.keys(told.versionsBefore).filter(predicate);
}
