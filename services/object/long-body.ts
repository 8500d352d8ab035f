import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WriteConditions } from "../../gen/cairn/common/v1/common_pb";
import type { Outcome, VersionContentSchema } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { PutObjectHeader } from "../../gen/cairn/object/v1/object_pb";
import { newId } from "../common/ids/uuid";
import type { Logger } from "../common/log/logger";
import { type Call, newCall } from "../common/rpc/call";
import type { Commits, KnownBucket } from "./commit";
import { type DurableBlob, newBlob, wholeBlob } from "./durable-blob";
import type { Watched, WatchLoop } from "./watch-loop";

export type LongBodyDependencies = {
  readonly commits: Commits;
  readonly watch: WatchLoop;
  readonly nowMs: () => number;
  readonly ttlMs: number;
  readonly log: Logger;
  readonly onIncomplete: () => void;
};

/**
 * A body of several blobs (P1): each is recorded, once durable, as a part of a hidden upload that ends by itself
 * unless renewed; the commit is the upload's completion. So a body that takes days never meets the orphan
 * collection, and a writer that dies leaves nothing for ever.
 */
export class LongBody implements Watched {
  readonly #deps: LongBodyDependencies;
  readonly #uploadId: string;
  readonly #call: Call;
  #parts = 0;
  #renewedAtMs: number;

  private constructor(deps: LongBodyDependencies, uploadId: string, call: Call) {
    this.#deps = deps;
    this.#uploadId = uploadId;
    this.#call = call;
    this.#renewedAtMs = deps.nowMs();
    call.signal.addEventListener("abort", this.#stopOnEnd, { once: true });
    deps.watch.add(this);
  }

  static async begin(
    deps: LongBodyDependencies,
    header: PutObjectHeader,
    bucketId: string,
    call: Call,
  ): Promise<LongBody> {
    const uploadId = newId();
    const { key, headers } = header;
    const ttlMs = BigInt(deps.ttlMs);
    const value = {
      uploadId,
      bucketId,
      key,
      hidden: true,
      ttlMs,
      ...(headers === undefined ? {} : { headers }),
    };
    await deps.commits.apply({ case: "createUpload", value }, call);
    return new LongBody(deps, uploadId, call);
  }

  async add(blob: DurableBlob): Promise<void> {
    const partNumber = ++this.#parts;
    const value = {
      uploadId: this.#uploadId,
      partNumber,
      sizeBytes: BigInt(blob.sizeBytes),
      etag: String(partNumber),
      extents: [wholeBlob(blob)],
      newBlobs: [newBlob(blob)],
    };
    await this.#deps.commits.apply({ case: "addPart", value }, this.#call);
    if (blob.incomplete) this.#deps.onIncomplete();
  }

  async complete(
    content: MessageInitShape<typeof VersionContentSchema>,
    bucket: KnownBucket,
    conditions: WriteConditions | undefined,
  ): Promise<Outcome> {
    const parts = Array.from({ length: this.#parts }, (_, index) => ({
      partNumber: index + 1,
      etag: String(index + 1),
    }));
    const outcome = await this.#deps.commits.decide(
      bucket,
      (configVersion) => ({
        case: "completeUpload",
        value: {
          uploadId: this.#uploadId,
          parts,
          configVersion,
          content,
          ...(conditions === undefined ? {} : { conditions }),
        },
      }),
      this.#call,
    );
    this.stop();
    return outcome;
  }

  /** Gives the parts up in the background. */
  abort(): void {
    this.stop();
    const value = { uploadId: this.#uploadId };
    this.#deps.commits.apply({ case: "abortUpload", value }, newCall()).catch((error) => {
      this.#deps.log.debug(
        { err: error, uploadId: this.#uploadId },
        "hidden upload is left to end by itself",
      );
    });
  }

  check(nowMs: number): void {
    if (nowMs - this.#renewedAtMs < this.#deps.ttlMs / 4) return;
    this.#renewedAtMs = nowMs;
    const value = { uploadId: this.#uploadId, ttlMs: BigInt(this.#deps.ttlMs) };
    this.#deps.commits.apply({ case: "renewUpload", value }, this.#call).catch((error) => {
      this.#deps.log.warn({ err: error, uploadId: this.#uploadId }, "hidden upload was not renewed");
    });
  }

  readonly #stopOnEnd = () => this.stop();

  /** Renews it no more. */
  stop(): void {
    this.#deps.watch.delete(this);
    this.#call.signal.removeEventListener("abort", this.#stopOnEnd);
  }
}
