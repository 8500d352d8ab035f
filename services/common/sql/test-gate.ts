import { connect, createServer, type Server, type Socket } from "node:net";

/** The statement on the wire; settings that hold the word go on behind it. */
const commit = Buffer.from("commit\0");

/** A way to a database that a test can shut, as a server that stops or a network that breaks does. */
export type TestGate = {
  /** The same database, through the gate. */
  readonly url: string;
  /** Breaks what is connected and refuses what comes. */
  shut(): Promise<void>;
  open(): Promise<void>;
  /** The next COMMIT is lost with its connection: on its way there, or, once it was done, its answer. */
  loseCommit(lost: "request" | "answer"): void;
};

/** Puts a gate, shut at first, before the server of a PostgreSQL URL. Shut it in the end. */
export async function makeTestGate(url: string): Promise<TestGate> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  let losing: "request" | "answer" | undefined;
  const open = async () => {
    const opened = createServer((socket) => {
      const onward = connect(Number(target.port), target.hostname);
      for (const [end, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        sockets.add(end);
        end.on("error", () => {});
        end.on("close", () => {
          sockets.delete(end);
          other.destroy();
        });
      }
      let answerLost = false;
      onward.on("data", (data) => {
        if (answerLost) socket.destroy();
        else socket.write(data);
      });
      socket.on("data", (data) => {
        const lost = data.includes(commit) ? losing : undefined;
        if (lost !== undefined) losing = undefined;
        answerLost ||= lost === "answer";
        if (lost === "request") socket.destroy();
        else onward.write(data);
      });
    });
    await new Promise<void>((resolve) => opened.listen(port, "127.0.0.1", resolve));
    const address = opened.address();
    if (address !== null && typeof address === "object") port = address.port;
    server = opened;
  };
  const shut = async () => {
    const closing = server;
    server = undefined;
    const closed = new Promise<void>((resolve) =>
      closing === undefined ? resolve() : closing.close(() => resolve()),
    );
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  // The port is found by listening once.
  await open();
  await shut();
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(port);
  const loseCommit = (lost: "request" | "answer") => {
    losing = lost;
  };
  return { url: through.href, shut, open, loseCommit };
}
