import { prepareHost } from './privileged/prepare-host.js';

const { code, out, error } = prepareHost(process.argv.slice(2));
process.stdout.write(out);
process.stderr.write(error);
process.exitCode = code;
