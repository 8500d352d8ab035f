import { hash } from "node:crypto";
import { Worker } from "node:worker_threads";
import { CairnError } from "../errors/cairn-error";
import type { HashName, StreamHash } from "./stream-hash";

/** Bytes travel to the thread in blocks of this size; a body that is shorter never leaves its own. */
const blockBytes = 1024 * 1024;
/**
 * Blocks that the thread may have before it; who adds more waits (I7). A body that comes slowly holds its one block
 * beside these, so that it stops no other.
 */
const mostAhead = 16;

type ToThread =
  | { readonly id: number; readonly name: HashName; readonly block: Uint8Array; readonly lengthBytes: number }
  | { readonly id: number; readonly end: "digest" | "abandon" };
type FromThread = { readonly block: Uint8Array } | { readonly id: number; readonly digest: Uint8Array };

/** What the thread runs; text, so that it needs no file of its own beside a bundle. */
const program = `
const { parentPort } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const hashes = new Map();
parentPort.on("message", ({ id, name, block, lengthBytes, end }) => {
  let hash = hashes.get(id);
  if (block !== undefined) {
    if (hash === undefined) hashes.set(id, (hash = createHash(name)));
    hash.update(block.subarray(0, lengthBytes));
    parentPort.postMessage({ block }, [block.buffer]);
    return;
  }
  hashes.delete(id);
  if (end === "digest") parentPort.postMessage({ id, digest: hash.digest() });
});
`;

/**
 * Hashes of long bodies on a thread of their own: MD5 takes more than a millisecond a MiB, which is half of what a
 * large PUT costs the thread that serves requests. Blocks travel there without a copy and come back to be used again.
 */
export class HashThread {
  readonly #free: Uint8Array[] = [];
  #ahead = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #digests = new Map<number, (digest: Uint8Array | CairnError) => void>();
  #worker: Worker | undefined;
  #failure: CairnError | undefined;
  #lastId = 0;

  /** Begins a hash. */
  readonly start = (name: HashName): StreamHash => new ThreadHash(this, name, ++this.#lastId);

  /** Ends the thread; what is not hashed yet fails. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#fail(new CairnError("SHUTTING_DOWN"));
    await worker?.terminate();
  }

  /** A block to be filled. */
  block(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(blockBytes);
  }

  giveBack(block: Uint8Array): void {
    if (this.#free.length < mostAhead) this.#free.push(block);
  }

  /** Resolves when the thread can take more; undefined when it can now. */
  ready(): Promise<void> | undefined {
    if (this.#ahead < mostAhead || this.#failure !== undefined) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Throws what the thread failed with. */
  send(message: ToThread): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#worker ??= this.#begin();
    if ("block" in message) {
      this.#ahead += 1;
      this.#worker.postMessage(message, [message.block.buffer as ArrayBuffer]);
    } else this.#worker.postMessage(message);
  }

  digest(id: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#digests.set(id, (digest) => (digest instanceof CairnError ? reject(digest) : resolve(digest)));
      try {
        this.send({ id, end: "digest" });
      } catch (error) {
        this.#digests.delete(id);
        reject(error);
      }
    });
  }

  #begin(): Worker {
    const worker = new Worker(program, { eval: true, name: "hashes" });
    worker.on("message", (message: FromThread) => {
      if ("block" in message) {
        this.giveBack(message.block);
        this.#ahead -= 1;
        // All that wait add one block each at most, and wait again.
        if (this.#ahead < mostAhead) for (const resolve of this.#waiting.splice(0)) resolve();
        return;
      }
      this.#digests.get(message.id)?.(message.digest);
      this.#digests.delete(message.id);
    });
    worker.on("error", (error) => this.#fail(new CairnError("INTERNAL", { cause: error })));
    // A process that ends without closing it must not be held by it.
    worker.unref();
    return worker;
  }

  /** All that wait hear it, and so does whoever comes later: a body without its hash is no body. */
  #fail(failure: CairnError): void {
    this.#failure ??= failure;
    for (const settle of this.#digests.values()) settle(this.#failure);
    this.#digests.clear();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

class ThreadHash implements StreamHash {
  readonly #thread: HashThread;
  readonly #name: HashName;
  readonly #id: number;
  #block: Uint8Array | undefined;
  #filled = 0;
  #sent = false;
  #over = false;

  constructor(thread: HashThread, name: HashName, id: number) {
    this.#thread = thread;
    this.#name = name;
    this.#id = id;
  }

  update(bytes: Uint8Array): Promise<void> | undefined {
    let rest = bytes;
    while (rest.length > 0) {
      this.#block ??= this.#thread.block();
      rest = this.#fill(this.#block, rest);
    }
    return this.#thread.ready();
  }

  async digest(): Promise<Uint8Array> {
    const block = this.#block;
    // Shorter than a block: the way to the thread and back would take longer.
    if (!this.#sent) {
      const digest = hash(this.#name, block?.subarray(0, this.#filled) ?? new Uint8Array(), "buffer");
      this.abandon();
      return digest;
    }
    if (block !== undefined) this.#send(block);
    this.#over = true;
    return this.#thread.digest(this.#id);
  }

  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#block !== undefined) this.#thread.giveBack(this.#block);
    this.#block = undefined;
    try {
      if (this.#sent) this.#thread.send({ id: this.#id, end: "abandon" });
    } catch {
      // The thread is gone, and with it all that it held.
    }
  }

  /** Copies what fits and gives the rest; a full block goes off. */
  #fill(block: Uint8Array, bytes: Uint8Array): Uint8Array {
    const count = Math.min(bytes.length, block.length - this.#filled);
    block.set(bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    if (this.#filled === block.length) this.#send(block);
    return bytes.subarray(count);
  }

  #send(block: Uint8Array): void {
    const lengthBytes = this.#filled;
    this.#block = undefined;
    this.#filled = 0;
    this.#sent = true;
    this.#thread.send({ id: this.#id, name: this.#name, block, lengthBytes });
  }
}
