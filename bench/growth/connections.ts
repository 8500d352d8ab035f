import { bodyOf } from "../bodies";
import { bucket, fill } from "../case-kinds";
import { HttpConnection } from "../http-connection";
import { type LoadResult, openConnections, runLoad } from "../load";
import { median } from "../percentiles";
import { headFor, type Target } from "../target";

/** Small, since there are thousands. */
const readBufferBytes = 16 * 1024;
const keys = 512;
const prefix = `/${bucket}/connections`;
const baseConnections = 32;

export type ConnectionFigure = {
  readonly title: string;
  /** Of the last round; a round with errors is the last one. */
  readonly result: LoadResult;
  /** Over few connections, a moment before. */
  readonly few: LoadResult;
  /** Time of an operation as a multiple of that with few connections and none idle. */
  readonly growth: number;
};

/**
 * GETs of 4 KiB over ever more connections, all of them busy; then over few beside `idle` ones, each of which has
 * been used once. Every level goes beside rounds of the few, so that a ratio is within moments of its counterpart.
 */
export async function measureConnections(
  target: Target,
  options: {
    readonly busy: readonly number[];
    readonly idle: number;
    readonly durationMs: number;
    readonly rounds: number;
  },
): Promise<ConnectionFigure[]> {
  const body = bodyOf(1, 4096);
  await fill(target, prefix, () => body, keys);
  const load = (concurrency: number) =>
    runLoad({
      url: target.url,
      concurrency,
      readBufferBytes,
      warmUpMs: 0,
      durationMs: options.durationMs,
      step: (worker, index) => ({
        request: { head: headFor(target, "GET", `${prefix}/${(worker * 101 + index) % keys}`) },
        expected: { status: 200, body: body.bytes },
      }),
    });
  await load(baseConnections);
  const figures: ConnectionFigure[] = [];
  const compare = async (title: string, other: () => Promise<LoadResult>) => {
    const growths: number[] = [];
    let last: Pick<ConnectionFigure, "few" | "result"> | undefined;
    for (let round = 0; round < options.rounds; round += 1) {
      const few = await load(baseConnections);
      const result = await other();
      last = { few, result };
      growths.push(few.perSecond / result.perSecond);
      const wrong = result.errors === 0 ? "" : `, ${result.errors} WRONG: ${result.firstError}`;
      process.stderr.write(
        `${title}: ${result.perSecond.toFixed(0)}/s beside ${few.perSecond.toFixed(0)}/s${wrong}\n`,
      );
      if (result.errors > 0) break;
    }
    if (last !== undefined) figures.push({ title, ...last, growth: median(growths) });
  };
  for (const count of options.busy) await compare(`GET over ${count} connections`, () => load(count));
  if (options.idle > 0) {
    await compare(`GET beside ${options.idle} idle connections`, () =>
      besideIdle(target, options.idle, () => load(baseConnections)),
    );
  }
  return figures;
}

/** Fails when the store has closed any of the idle ones meanwhile. */
async function besideIdle<T>(target: Target, count: number, work: () => Promise<T>): Promise<T> {
  const head = headFor(target, "HEAD", `${prefix}/0`);
  const idle = await openConnections(count, async () => {
    const connection = await HttpConnection.open(target.url, 4096);
    await connection.send({ head, isHead: true }, () => {});
    return connection;
  });
  try {
    const result = await work();
    const closed = idle.filter((connection) => connection.isClosed).length;
    if (closed > 0) throw new Error(`${closed} of ${count} idle connections were closed`);
    return result;
  } finally {
    for (const connection of idle) connection.close();
  }
}
