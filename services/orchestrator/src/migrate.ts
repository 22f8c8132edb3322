import { runMigrations } from '@understudy/runtime';

process.exit(await runMigrations(['orchestrator'], process.argv.slice(2), process.env));
