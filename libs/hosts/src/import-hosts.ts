import { importHosts } from './import/import-hosts.js';

const { code, out, error } = importHosts(process.argv.slice(2));
process.stdout.write(out);
process.stderr.write(error);
process.exitCode = code;
