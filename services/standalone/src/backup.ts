import { runCommand } from './backup/command.js';
import { backup } from './backup/run.js';
import { openDataFolder } from './folder.js';

const HELP = `npm run backup -- FILE [--data DIR]

Writes everything that the embedded store holds, as it was at one moment, and the definitions of tokens and credentials to FILE
(which must not exist). The product may run meanwhile. Secrets of your clusters are not in it: they lie where credentials point to.
`;

process.exitCode = await runCommand(HELP, async ({ file, data }) => {
  const { tables, rows } = await backup(openDataFolder(data), file);
  return `Backed up ${rows} rows of ${tables} tables from ${data} to ${file}. Keep it as private as the data folder.`;
});
