import type { Outcome } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { PutObjectFinish, PutObjectHeader } from "../../gen/cairn/object/v1/object_pb";
import { CairnError, toCairnError } from "../common/errors/cairn-error";
import type { HashMaker } from "../common/hashing/stream-hash";
import { newId } from "../common/ids/uuid";
import type { Call } from "../common/rpc/call";
import type { Commits, KnownBucket } from "./commit";
import { Digests } from "./digests";
import { LongBody, type LongBodyDependencies } from "./long-body";
import type { ObjectMetrics } from "./metrics";
import type { ObjectInfoInit } from "./object-info";
import { type ContentInit, checkedContent, putInfo, putVersion } from "./put-version";
import type { WriteDependencies } from "./replica-quorum";
import { BlobWrite } from "./write-blob";

export type PutDependencies = {
  readonly write: WriteDependencies;
  readonly longBody: LongBodyDependencies;
  readonly commits: Commits;
  readonly blobLimitBytes: number;
  readonly metrics: ObjectMetrics;
  /** Where long bodies are hashed. */
  readonly hashes: HashMaker;
  /** Told after a commit that left copies to be made. */
  readonly onIncomplete: () => void;
};

/** A body as it comes. */
export type BodySource = {
  /** The next chunk, or the finish. Rejects when the sender is gone or the stream is not in order. */
  next(): Promise<Uint8Array | PutObjectFinish>;
};

/**
 * DESIGN section 5: bytes to three nodes as they come, digests on the way, one commit at the end. Whatever fails
 * before the commit leaves nothing visible; what it wrote is left to orphan collection (P6).
 */
export async function putObject(
  deps: PutDependencies,
  header: PutObjectHeader,
  body: BodySource,
  call: Call,
): Promise<ObjectInfoInit> {
  const digests = new Digests(header.algorithms, deps.hashes);
  const writer = new BodyWriter(deps, header, call);
  try {
    let part = await body.next();
    while (part instanceof Uint8Array) {
      const hashed = digests.update(part);
      // Without a promise there is nothing to wait for, and a small body pays for no microtask.
      const held = writer.write(part);
      if (held !== undefined) await held;
      if (hashed !== undefined) await hashed;
      part = await body.next();
    }
    const digested = await digests.finish();
    const content = checkedContent(digested, header, part);
    const outcome = await writer.commit(content);
    deps.metrics.bytesIn.inc(digested.sizeBytes);
    return putInfo(header, content, outcome);
  } catch (thrown) {
    const error = toCairnError(thrown);
    digests.abandon();
    writer.abort(error);
    throw error;
  }
}

/** One blob for a short body; a long one's are handed on as they fill up. */
class BodyWriter {
  readonly #deps: PutDependencies;
  readonly #header: PutObjectHeader;
  readonly #call: Call;
  readonly #bucket: KnownBucket;
  #blob: BlobWrite | undefined;
  #long: LongBody | undefined;

  constructor(deps: PutDependencies, header: PutObjectHeader, call: Call) {
    if (header.bucket === undefined)
      throw new CairnError("INVALID_ARGUMENT", { message: "The bucket is missing." });
    this.#deps = deps;
    this.#header = header;
    this.#bucket = header.bucket;
    this.#call = call;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    const written = this.#blob?.writtenBytes ?? 0;
    if (written + chunk.length > this.#deps.blobLimitBytes) return this.#writeAcross(chunk, written);
    return this.#open().write(chunk);
  }

  async commit(content: ContentInit): Promise<Outcome> {
    const last = await this.#blob?.finish();
    this.#blob = undefined;
    if (this.#long !== undefined) {
      if (last !== undefined) await this.#long.add(last);
      return this.#long.complete(content, this.#bucket, this.#header.conditions);
    }
    const outcome = await this.#deps.commits.decide(
      this.#bucket,
      putVersion(this.#header, content, last),
      this.#call,
    );
    if (last?.incomplete) this.#deps.onIncomplete();
    return outcome;
  }

  abort(reason: CairnError): void {
    this.#blob?.abort(reason);
    // While a completion's outcome is unknown its bytes are left alone (P3): the upload ends by itself.
    if (reason.reason !== "OUTCOME_UNKNOWN") this.#long?.abort();
    else this.#long?.stop();
  }

  async #writeAcross(chunk: Uint8Array, written: number): Promise<void> {
    let rest = chunk;
    let room = this.#deps.blobLimitBytes - written;
    while (rest.length > 0) {
      if (room === 0) {
        await this.#handOn();
        room = this.#deps.blobLimitBytes;
      }
      const piece = rest.subarray(0, room);
      await this.#open().write(piece);
      rest = rest.subarray(piece.length);
      room -= piece.length;
    }
  }

  /** The blob is full and more follows: it becomes a part of a hidden upload (P1). */
  async #handOn(): Promise<void> {
    const full = this.#blob;
    if (full === undefined) return;
    const durable = await full.finish();
    this.#blob = undefined;
    this.#long ??= await LongBody.begin(this.#deps.longBody, this.#header, this.#bucket.bucketId, this.#call);
    await this.#long.add(durable);
  }

  #open(): BlobWrite {
    if (this.#blob === undefined) {
      const { sizeBytes } = this.#header;
      const short = sizeBytes !== undefined && sizeBytes <= BigInt(this.#deps.blobLimitBytes);
      this.#blob = new BlobWrite(
        this.#deps.write,
        this.#call,
        newId(),
        short ? Number(sizeBytes) : undefined,
      );
    }
    return this.#blob;
  }
}
