import { create } from "@bufbuild/protobuf";
import {
  type WriteBlobFinish,
  type WriteBlobRequest,
  WriteBlobRequestSchema,
} from "../../gen/cairn/storage/v1/storage_pb";

/**
 * The part of a blob that is on its way: one writer, a reader for each replica. Chunks stay until every reader has
 * taken them; the first ones also until `replayBytes` have come, so that a replica can still begin afresh. Whoever
 * writes looks at the readers' lags and waits or drops, so the memory is bounded (I7). Messages are made once and
 * handed to all readers: none may change them.
 */
export class BlobBuffer {
  readonly #replayBytes: number;
  readonly #readers = new Set<BufferReader>();
  readonly #chunks: WriteBlobRequest[] = [];
  /** Number of the first chunk in `#chunks`. */
  #firstIndex = 0;
  #writtenBytes = 0;
  #finish: WriteBlobRequest | undefined;
  /** Called after a reader took something. */
  onTaken: () => void = () => {};

  constructor(replayBytes: number) {
    this.#replayBytes = replayBytes;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Whether everything since the beginning is still here, so that another replica may start. */
  get replayable(): boolean {
    return this.#firstIndex === 0;
  }

  push(chunk: Uint8Array): void {
    this.#writtenBytes += chunk.length;
    this.#chunks.push(create(WriteBlobRequestSchema, { part: { case: "chunk", value: chunk } }));
    this.#trim();
    for (const reader of this.#readers) reader.wake();
  }

  finish(finish: Pick<WriteBlobFinish, "sizeBytes" | "crc32c">): void {
    this.#finish = create(WriteBlobRequestSchema, { part: { case: "finish", value: finish } });
    for (const reader of this.#readers) reader.wake();
  }

  /** A reader that begins at the start, behind this header. Only while `replayable`. */
  read(header: WriteBlobRequest, nowMs: () => number): BufferReader {
    const reader = new BufferReader(this, header, nowMs);
    this.#readers.add(reader);
    return reader;
  }

  /** Lets a reader go: it holds nothing any more. */
  release(reader: BufferReader): void {
    this.#readers.delete(reader);
    this.#trim();
    this.onTaken();
  }

  /** The chunk of this number; the finish behind the last one; undefined when it has not come yet. */
  at(index: number): WriteBlobRequest | undefined {
    return this.#chunks[index - this.#firstIndex] ?? this.#finish;
  }

  taken(): void {
    this.#trim();
    this.onTaken();
  }

  #trim(): void {
    if (this.#writtenBytes <= this.#replayBytes) return;
    let least = this.#firstIndex + this.#chunks.length;
    for (const reader of this.#readers) least = Math.min(least, reader.nextIndex);
    const count = least - this.#firstIndex;
    if (count <= 0) return;
    this.#chunks.splice(0, count);
    this.#firstIndex = least;
  }
}

/** What one replica's WriteBlob call pulls from: header, chunks, finish. */
export class BufferReader implements AsyncIterableIterator<WriteBlobRequest> {
  nextIndex = 0;
  takenBytes = 0;
  lastTakenAtMs: number;
  readonly #buffer: BlobBuffer;
  readonly #nowMs: () => number;
  #header: WriteBlobRequest | undefined;
  #finished = false;
  #failure: Error | undefined;
  #waiting: { resolve(next: IteratorResult<WriteBlobRequest>): void; reject(error: Error): void } | undefined;

  constructor(buffer: BlobBuffer, header: WriteBlobRequest, nowMs: () => number) {
    this.#buffer = buffer;
    this.#header = header;
    this.#nowMs = nowMs;
    this.lastTakenAtMs = nowMs();
  }

  /** True when the replica has the finish too, and only its answer is awaited. */
  get finished(): boolean {
    return this.#finished;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<WriteBlobRequest>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#header !== undefined) {
      const value = this.#header;
      this.#header = undefined;
      return Promise.resolve({ done: false, value });
    }
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    const message = this.#take();
    if (message !== undefined) return Promise.resolve({ done: false, value: message });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<WriteBlobRequest>> {
    this.#finished = true;
    this.#waiting?.resolve({ done: true, value: undefined });
    this.#waiting = undefined;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Something came. */
  wake(): void {
    if (this.#waiting === undefined) return;
    const message = this.#take();
    if (message === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: message });
  }

  /** Ends the stream without a finish, which is an abort. */
  fail(error: Error): void {
    this.#failure = error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #take(): WriteBlobRequest | undefined {
    const message = this.#buffer.at(this.nextIndex);
    if (message === undefined) return undefined;
    this.lastTakenAtMs = this.#nowMs();
    if (message.part.case === "chunk") {
      this.nextIndex++;
      this.takenBytes += message.part.value.length;
      this.#buffer.taken();
    } else {
      this.#finished = true;
    }
    return message;
  }
}
