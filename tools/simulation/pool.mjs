/** Windows over threads: seeds go out in handfuls, results come back as they are. */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

const HANDFUL = 20;
const MOST_THREADS = 8;

/**
 * @param {{ simulation: string, from: number, to: number, mostFaults?: number, threads?: number,
 *   onResult: (answer: { seed: number, result?: object, error?: string }) => boolean | void }} options
 *   `onResult` answers true when enough is known.
 */
export async function runWindows({ simulation, from, to, mostFaults, threads, onResult }) {
  let next = from;
  let over = false;
  const count = Math.min(threads ?? availableParallelism(), MOST_THREADS, Math.ceil((to - from + 1) / HANDFUL));
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL('worker.mjs', import.meta.url), { workerData: { simulation } }),
  );
  const feed = (worker) => {
    if (over || next > to) return void worker.terminate();
    const seeds = Array.from({ length: Math.min(HANDFUL, to - next + 1) }, (_, index) => next + index);
    next += seeds.length;
    worker.postMessage({ seeds, mostFaults });
  };
  await Promise.all(
    workers.map(async (worker) => {
      worker.on('message', (answer) => {
        if (answer.idle) feed(worker);
        else if (!over && onResult(answer) === true) {
          over = true;
          for (const each of workers) void each.terminate();
        }
      });
      const ended = once(worker, 'exit');
      feed(worker);
      await ended;
    }),
  );
}

export function simulationOf(root) {
  return new URL('services/orchestrator/simulation/dist/index.js', root).href;
}
