import { chmodSync, closeSync, existsSync, openSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { CairnError } from "../common/errors/cairn-error";

const name = "admin.sock";
/** What a socket's name may be long, with the zero behind it (unix(7)). */
const mostBytes = 107;
/** A request is a line; more is none (I7). */
const mostRequestBytes = 16_384;

const request = z.discriminatedUnion("verb", [
  z.strictObject({ verb: z.literal("new-key") }),
  z.strictObject({ verb: z.literal("replace-folder"), from: z.string(), to: z.string() }),
]);
export type AdminRequest = z.infer<typeof request>;

/** Carries a request out: tells how far it is, answers what was done. */
export type AnswerAdmin = (request: AdminRequest, progress: (text: string) => void) => Promise<string>;

type Line = { readonly progress: string } | { readonly done: string } | { readonly error: string };

export type AdminSocket = {
  /** Listens in one more folder. */
  add(folder: string): Promise<void>;
  close(): Promise<void>;
};

/**
 * Lets commands on this machine ask a running store for what takes no key: a socket in the data folders, which nobody
 * but the owner may open. A line is the request; lines answer, the last one `{"done": …}` or `{"error": …}`. What was
 * begun goes on when nobody listens any more.
 */
export async function serveAdminSocket(
  folders: readonly string[],
  answer: AnswerAdmin,
): Promise<AdminSocket> {
  const closers: (() => Promise<void>)[] = [];
  const add = async (folder: string) => {
    const path = join(folder, name);
    // Of a process that was killed; the folder's lock is ours.
    rmSync(path, { force: true });
    const server = createServer((socket) => void converse(socket, answer));
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
    closers.push(async () => {
      // Who still waits for progress is not waited for.
      server.close();
      rmSync(path, { force: true });
    });
  };
  for (const folder of folders) await add(folder);
  return { add, close: async () => void (await Promise.all(closers.map((close) => close()))) };
}

async function converse(socket: Socket, answer: AnswerAdmin): Promise<void> {
  socket.on("error", () => {});
  socket.unref();
  const say = (line: Line) => !socket.destroyed && socket.write(`${JSON.stringify(line)}\n`);
  try {
    const asked = request.parse(JSON.parse(await firstLine(socket)));
    say({ done: await answer(asked, (progress) => void say({ progress })) });
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
  }
  socket.end();
}

function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (data) => {
      text += data;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > mostRequestBytes) reject(new Error("the request is too long"));
    });
    socket.on("close", () => reject(new Error("no request came")));
  });
}

/** Asks the store that runs on this folder. Undefined when none listens there; throws what it refuses. */
export async function askStore(
  folder: string,
  asked: AdminRequest,
  progress: (text: string) => void,
): Promise<string | undefined> {
  if (!existsSync(join(folder, name))) return undefined;
  const socket = await withShortPath(
    folder,
    (short) =>
      new Promise<Socket | undefined>((resolve) => {
        const opened: Socket = createConnection(short, () => resolve(opened));
        opened.on("error", () => resolve(undefined));
      }),
  );
  if (socket === undefined) return undefined;
  socket.write(`${JSON.stringify(asked)}\n`);
  for await (const text of createInterface({ input: socket })) {
    const line = JSON.parse(text) as Line;
    if ("done" in line) return line.done;
    if ("error" in line) throw new CairnError("INVALID_REQUEST", { message: line.error });
    progress(line.progress);
  }
  throw new CairnError("SHUTTING_DOWN", { message: "The store ended before it had answered." });
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
