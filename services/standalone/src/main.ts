import { resolve } from 'node:path';
import { checkpointKeyCommand, tokenCommand, TokenStore } from '@understudy/runtime';
import { openDataFolder } from './folder.js';
import { serve } from './serve.js';
import { helpText, readCommand, type Command } from './settings.js';

async function main(): Promise<number> {
  let command: Command;
  try {
    command = readCommand(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return 2;
  }
  switch (command.command) {
    case 'help':
      process.stdout.write(helpText());
      return 0;
    case 'token':
      return tokenCommand(new TokenStore(openDataFolder(resolve(command.dataFolder)).tokens), command.args, (text) =>
        process.stdout.write(text),
      );
    case 'checkpoint-key':
      return checkpointKeyCommand(openDataFolder(resolve(command.dataFolder)).checkpointKey, command.args, (text) =>
        process.stdout.write(text),
      );
    case 'serve':
      try {
        return await serve(command.settings, (text) => process.stdout.write(text));
      } catch (error) {
        process.stderr.write(`Not started: ${messageOf(error)}\n`);
        return 1;
      }
    default:
      return command satisfies never;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const code = await main();
// Everything of ours is closed; a socket that somebody else forgot must not keep the process.
process.exit(code);
