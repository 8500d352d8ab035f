import { chmodSync, closeSync, existsSync, openSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";

const name = "admin.sock";
/** What a socket's name may be long, with the zero behind it (unix(7)). */
const mostBytes = 107;

/**
 * Lets commands on this machine ask a running store for an admin key: a socket in the first data folder, which nobody but
 * the owner may open. One line answers: `{"key": …}` or `{"error": …}`.
 */
export async function serveAdminSocket(
  folder: string,
  newAdminKey: () => Promise<string>,
): Promise<{ close(): Promise<void> }> {
  const path = join(folder, name);
  // Of a process that was killed; the folder's lock is ours.
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on("error", () => {});
    newAdminKey().then(
      (key) => socket.end(`${JSON.stringify({ key })}\n`),
      (error: unknown) =>
        socket.end(`${JSON.stringify({ error: error instanceof Error ? error.message : String(error) })}\n`),
    );
  });
  await withShortPath(
    folder,
    (short) =>
      new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(short, resolve);
      }),
  );
  chmodSync(path, 0o600);
  server.unref();
  return {
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      rmSync(path, { force: true });
    },
  };
}

/** Asks the store that runs on this folder. Undefined when none listens there. */
export async function askForAdminKey(folder: string): Promise<string | undefined> {
  if (!existsSync(join(folder, name))) return undefined;
  const answer = await withShortPath(
    folder,
    (short) =>
      new Promise<string | undefined>((resolve) => {
        let text = "";
        const socket = createConnection(short);
        socket.on("data", (data) => {
          text += data;
        });
        socket.on("end", () => resolve(text));
        socket.on("error", () => resolve(undefined));
      }),
  );
  if (answer === undefined || answer === "") return undefined;
  const { key, error } = JSON.parse(answer) as { key?: string; error?: string };
  if (key === undefined) throw new Error(error ?? "the store gave no key");
  return key;
}

/** A path that fits into a socket's name: through the folder's descriptor where its own is too long. */
async function withShortPath<T>(folder: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= mostBytes) return work(path);
  const fd = openSync(folder, "r");
  try {
    return await work(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}
