import { runMigrations } from '@understudy/runtime';

process.exit(await runMigrations(['inventory'], process.argv.slice(2), process.env));
