import { runCommand } from './backup/command.js';
import { restore } from './backup/run.js';
import { openDataFolder } from './folder.js';

const HELP = `npm run restore -- FILE [--data DIR]

Restores a backup into a data folder that holds no store yet, gives the logs a new identity, so that everybody who consumed the old
one notices, and verifies every chain from its first event to its last. Signed logs go on with a new key, which the one before brings
in: that vouches for the new identity.
`;

process.exitCode = await runCommand(HELP, async ({ file, data }) => {
  const { takenAt, rows, tables, events } = await restore(openDataFolder(data), file);
  const verified = Object.entries(events).map(([service, count]) => `${service} ${count}`);
  return `Restored ${rows} rows of ${tables} tables, as of ${takenAt}, into ${data}. Verified events: ${verified.join(', ')}. Start it with: npm start -- --data ${data}`;
});
