import { SERVICE_NAMES } from '@understudy/event-log';
import { runMigrations } from '@understudy/runtime';

process.exit(await runMigrations(SERVICE_NAMES, process.argv.slice(2), process.env));
