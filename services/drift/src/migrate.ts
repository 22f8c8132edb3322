import { runMigrations } from '@understudy/runtime';

process.exit(await runMigrations(['drift'], process.argv.slice(2), process.env));
