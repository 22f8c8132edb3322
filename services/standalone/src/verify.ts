import { runVerify } from './audit/command.js';

process.exitCode = await runVerify(process.argv.slice(2), process.env, (text) => process.stdout.write(text));
