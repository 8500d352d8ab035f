import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Http } from "./http";

/** A download of `path` that takes nothing after its first bytes. */
export async function stalledReader(http: Http, path: string): Promise<Socket> {
  const socket = http.socket();
  socket.write(`${http.head("GET", path, "Connection: close")}\r\n`);
  await once(socket, "readable");
  return socket;
}

/**
 * Sends `block` again and again, `mostBytes` in all, until nothing is taken for 1.5 s; how many bytes the kernel and
 * the store took.
 */
export async function pushUntilStopped(
  socket: Socket,
  block: Uint8Array,
  mostBytes: number,
): Promise<number> {
  let pushed = 0;
  while (pushed + block.length <= mostBytes) {
    if (!socket.write(block)) {
      const went = await Promise.race([
        once(socket, "drain").then(() => true),
        delay(1_500).then(() => false),
      ]);
      if (!went) break;
    }
    pushed += block.length;
  }
  return pushed;
}
