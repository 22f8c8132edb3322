/** One thread of `npm run sim`: runs windows by their seeds, and answers with what came of each. */
import { parentPort, workerData } from 'node:worker_threads';

const { runWindow } = await import(workerData.simulation);
// From within a promise, the next tick comes when every promise that could go on has done so.
const drained = () => new Promise((resolve) => process.nextTick(resolve));

parentPort.on('message', async ({ seeds, mostFaults }) => {
  for (const seed of seeds) {
    try {
      const { planned, ...result } = await runWindow({ seed, drained, ...(mostFaults === undefined ? {} : { mostFaults }) });
      parentPort.postMessage({ seed, result: { ...result, plannedFaults: planned.length } });
    } catch (error) {
      parentPort.postMessage({ seed, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  parentPort.postMessage({ idle: true });
});
