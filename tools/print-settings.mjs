#!/usr/bin/env node
/**
 * `node tools/print-settings.mjs`: writes `deploy/settings.txt`, what `--help` of every program that is deployed says of its
 * settings. With `--stdout` it only prints it; a spec compares.
 */
import { writeFileSync } from 'node:fs';
import { driftProgram } from '@understudy/drift';
import { inventoryProgram } from '@understudy/inventory';
import { notificationProgram } from '@understudy/notification';
import { orchestratorProgram } from '@understudy/orchestrator';
import { kafkaSettings, migrateSettings, settingsHelp, settingsOf } from '@understudy/runtime';

const programs = [inventoryProgram, driftProgram, orchestratorProgram, notificationProgram];
const text = [
  'Settings of every program that is deployed. Made by `node tools/print-settings.mjs`; do not edit.\n',
  ...programs.map((program) => settingsHelp(`== ${program.service}`, settingsOf(program))),
  settingsHelp('== migrate', migrateSettings),
  settingsHelp('== topics', kafkaSettings),
].join('\n');

if (process.argv.includes('--stdout')) process.stdout.write(text);
else writeFileSync(new URL('../deploy/settings.txt', import.meta.url), text);
