/** `understudy checkpoint-key create|rotate|public`: the logic; the program that calls it gives it its arguments and its output. */
import { createPublicKey } from 'node:crypto';
import { addCheckpointKey, ensureCheckpointKey, publicPem, readCheckpointKeys } from '@understudy/event-log';

export const CHECKPOINT_KEY_HELP = `understudy checkpoint-key create
understudy checkpoint-key rotate
understudy checkpoint-key public

create makes the key file, unless it exists. rotate adds a new key to it: the next checkpoint is a hand-over that the key before signs,
and every later one is signed by the new key; running processes need no restart. public prints the public key of the one that signs,
for auditors: keep a copy where no administrator of the database can change it.
`;

/** Answers the exit code: 0 done, 1 refused, 2 used wrongly. `print` gets whole lines. */
export function checkpointKeyCommand(keyFile: string, args: readonly string[], print: (text: string) => void): number {
  const [verb, ...rest] = args;
  try {
    switch (rest.length === 0 ? verb : undefined) {
      case 'create': {
        const made = ensureCheckpointKey(keyFile);
        print(
          `${keyFile} ${made ? 'holds a new key' : 'exists and is kept; its key is'} ${readCheckpointKeys(keyFile).current.id}\n`,
        );
        return 0;
      }
      case 'rotate':
        print(`${keyFile} signs with the new key ${addCheckpointKey(keyFile)} from the next checkpoint on.\n`);
        return 0;
      case 'public':
        print(publicPem(createPublicKey(readCheckpointKeys(keyFile).current.key)));
        return 0;
      default:
        print(CHECKPOINT_KEY_HELP);
        return verb === '--help' ? 0 : 2;
    }
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
