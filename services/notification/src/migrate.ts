import { runMigrations } from '@understudy/runtime';

process.exit(await runMigrations(['notification'], process.argv.slice(2), process.env));
