import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";

const blockBytes = 1024 * 1024;

type Small = { readonly offset: number; readonly length: number; readonly crc: number };
type Large = {
  readonly paths: readonly string[];
  /** The first copy, open for reads. */
  readonly file: FileHandle;
  readonly length: number;
  readonly crcs: readonly number[];
};
type Append = { readonly body: Buffer; resolve(offset: number): void; reject(error: unknown): void };

/** Bodies up to 1 MiB appended to three files with a sync a batch, larger ones a file each, three times. */
export class Floor {
  readonly #folder: string;
  readonly #segments: readonly FileHandle[];
  readonly #small = new Map<string, Small>();
  readonly #large = new Map<string, Large>();
  #end = 0;
  #waiting: Append[] = [];
  #syncing = false;
  #files = 0;

  private constructor(folder: string, segments: readonly FileHandle[]) {
    this.#folder = folder;
    this.#segments = segments;
  }

  static async open(folder: string): Promise<Floor> {
    const names = ["segment-0", "segment-1", "segment-2"];
    return new Floor(folder, await Promise.all(names.map((name) => open(join(folder, name), "w+"))));
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#segments, ...[...this.#large.values()].map(({ file }) => file)].map((file) => file.close()),
    );
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const key = req.url ?? "";
    if (req.method === "PUT") {
      const length = Number(req.headers["content-length"] ?? 0);
      const md5 =
        length > blockBytes ? await this.#putLarge(key, req, length) : await this.#putSmall(key, req);
      res.writeHead(200, { ETag: `"${md5}"`, "Content-Length": 0 }).end();
      return;
    }
    const small = this.#small.get(key);
    if (small !== undefined) return this.#getSmall(small, res);
    const large = this.#large.get(key);
    if (large !== undefined) return this.#getLarge(large, res);
    res.writeHead(404, { "Content-Length": 0 }).end();
  }

  async #putSmall(key: string, req: IncomingMessage): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of req) parts.push(part);
    const body = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    const md5 = createHash("md5").update(body).digest("hex");
    const crc = crc32c(body);
    const offset = await new Promise<number>((resolve, reject) => {
      this.#waiting.push({ body, resolve, reject });
      if (!this.#syncing) void this.#sync();
    });
    this.#small.set(key, { offset, length: body.length, crc });
    return md5;
  }

  /** Group commit of what is waiting, with no timer: one writev and one fdatasync a file and batch. */
  async #sync(): Promise<void> {
    this.#syncing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const bodies = batch.map(({ body }) => body);
      let offset = this.#end;
      try {
        await Promise.all(
          this.#segments.map(async (segment) => {
            await segment.writev(bodies, offset);
            await segment.datasync();
          }),
        );
        for (const append of batch) {
          append.resolve(offset);
          offset += append.body.length;
        }
        this.#end = offset;
      } catch (error) {
        for (const append of batch) append.reject(error);
      }
    }
    this.#syncing = false;
  }

  async #getSmall({ offset, length, crc }: Small, res: ServerResponse): Promise<void> {
    const buffer = Buffer.allocUnsafe(length);
    const [segment] = this.#segments;
    await segment?.read(buffer, 0, length, offset);
    if (crc32c(buffer) !== crc) throw new Error("a wrong checksum");
    res.writeHead(200, { "Content-Length": length }).end(buffer);
  }

  /** One block is written while the next one comes in. */
  async #putLarge(key: string, req: IncomingMessage, length: number): Promise<string> {
    this.#files += 1;
    const paths = [0, 1, 2].map((copy) => join(this.#folder, `large-${this.#files}-${copy}`));
    const files = await Promise.all(paths.map((path) => open(path, "w+")));
    const md5 = createHash("md5");
    const crcs: number[] = [];
    let writing: Promise<unknown> = Promise.resolve();
    let block = Buffer.allocUnsafe(blockBytes);
    let filled = 0;
    let written = 0;
    const flush = async () => {
      const full = block.subarray(0, filled);
      md5.update(full);
      crcs.push(crc32c(full));
      await writing;
      const offset = written;
      writing = Promise.all(files.map((file) => file.write(full, 0, full.length, offset)));
      written += full.length;
      block = Buffer.allocUnsafe(blockBytes);
      filled = 0;
    };
    for await (const part of req as AsyncIterable<Buffer>) {
      for (let at = 0; at < part.length; ) {
        const copied = part.copy(block, filled, at);
        at += copied;
        filled += copied;
        if (filled === blockBytes) await flush();
      }
    }
    if (filled > 0) await flush();
    await writing;
    await Promise.all(files.map((file) => file.datasync()));
    if (written !== length) throw new Error("the body broke off");
    const [file, ...others] = files;
    await Promise.all(others.map((other) => other.close()));
    const former = this.#large.get(key);
    if (file !== undefined) this.#large.set(key, { paths, file, length, crcs });
    await former?.file.close();
    await Promise.all((former?.paths ?? []).map((path) => rm(path)));
    return md5.digest("hex");
  }

  async #getLarge({ file, length, crcs }: Large, res: ServerResponse): Promise<void> {
    res.writeHead(200, { "Content-Length": length });
    let reading = readBlock(file, 0, length);
    for (let index = 0; index < crcs.length; index += 1) {
      const block = await reading;
      const next = (index + 1) * blockBytes;
      if (next < length) reading = readBlock(file, next, length);
      if (crc32c(block) !== crcs[index]) throw new Error("a wrong checksum");
      if (!res.write(block) && !res.destroyed) await drained(res);
      if (res.destroyed) return;
    }
    res.end();
  }
}

async function readBlock(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const size = Math.min(blockBytes, length - offset);
  const { buffer } = await file.read(Buffer.allocUnsafe(size), 0, size, offset);
  return buffer;
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off("drain", done);
      res.off("close", done);
      resolve();
    };
    res.on("drain", done);
    res.on("close", done);
  });
}
