import { LoadClient, type LoadOptions } from './client.js';

/**
 * The load client's own process: its pauses must not be the demo's. Options come as the first message of the parent;
 * it ends when told to, and by itself when the parent is gone.
 */
const PROGRESS_EVERY_MS = 200;

/** What the parent sends. */
export type ToLoad = { readonly kind: 'start'; readonly options: LoadOptions } | { readonly kind: 'stop' };

let client: LoadClient | undefined;

function begin(options: LoadOptions): void {
  const started = new LoadClient(options);
  client = started;
  const timer = setInterval(() => process.send?.(started.progress()), PROGRESS_EVERY_MS);
  void started.run().then(() => {
    clearInterval(timer);
    process.send?.(started.progress());
    process.disconnect();
  });
}

process.on('message', (message: ToLoad) => {
  if (message.kind === 'start') begin(message.options);
  else client?.stop();
});
process.on('disconnect', () => client?.stop());
// A terminal sends Ctrl-C to the whole group; the parent decides when the client ends.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => client?.stop());
