import { runService } from '@understudy/runtime';
import { driftProgram } from './program.js';

const code = await runService(driftProgram, process.argv.slice(2), process.env);
// Everything of ours is closed; a socket that somebody else forgot must not keep the process.
process.exit(code);
