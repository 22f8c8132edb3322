import { runService } from '@understudy/runtime';
import { orchestratorProgram } from './program.js';

const code = await runService(orchestratorProgram, process.argv.slice(2), process.env);
// Everything of ours is closed; a socket that somebody else forgot must not keep the process.
process.exit(code);
