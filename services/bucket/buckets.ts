import type { Bucket, Usage } from "../../gen/cairn/common/v1/common_pb";
import type { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../common/errors/cairn-error";
import { newId } from "../common/ids/uuid";
import type { Call } from "../common/rpc/call";
import type { ServiceClient } from "../common/rpc/service";
import type { Clock } from "../common/time/clock";
import { bucketNameProblem } from "./bucket-name";
import { executeCommand } from "./execute-command";

/** The life cycle of buckets. The rows are the metadata service's, and each change is one command of its (P2). */
export class Buckets {
  readonly #metadata: ServiceClient<typeof MetadataService>;
  readonly #clock: Clock;

  constructor(metadata: ServiceClient<typeof MetadataService>, clock: Clock) {
    this.#metadata = metadata;
    this.#clock = clock;
  }

  /** Of racing callers one wins; an owner's own again is answered as it is. INVALID_BUCKET_NAME, BUCKET_TAKEN. */
  async create(name: string, ownerId: string, call: Call): Promise<{ bucket: Bucket; created: boolean }> {
    const problem = bucketNameProblem(name);
    if (problem !== undefined) {
      throw new CairnError("INVALID_BUCKET_NAME", {
        message: `The bucket name ${JSON.stringify(name)} is not valid: ${problem.explanation}.`,
        resource: name,
        params: { rule: problem.rule, name },
      });
    }
    const value = { bucketId: newId(), name, ownerId };
    const result = await executeCommand(this.#metadata, { case: "createBucket", value }, call, this.#clock);
    if (result.case !== "bucket" || result.value.bucket === undefined)
      throw new Error("no bucket in the outcome");
    return { bucket: result.value.bucket, created: result.value.created };
  }

  /** Throws NO_SUCH_BUCKET. */
  async get(by: { case: "name" | "bucketId"; value: string }, call: Call): Promise<Bucket> {
    if (by.value === "") throw new CairnError("NO_SUCH_BUCKET");
    const { bucket } = await this.#metadata.getBucket({ by }, call);
    if (bucket === undefined) throw new Error("no bucket in the answer");
    return bucket;
  }

  async list(
    query: { ownerId: string; prefix: string; afterName: string; limit: number },
    call: Call,
  ): Promise<{ buckets: Bucket[]; more: boolean }> {
    const { buckets, more } = await this.#metadata.listBuckets(query, call);
    return { buckets, more };
  }

  /** One command with the proof that it is empty. NO_SUCH_BUCKET, BUCKET_NOT_EMPTY. */
  async delete(bucketId: string, call: Call): Promise<void> {
    await executeCommand(this.#metadata, { case: "deleteBucket", value: { bucketId } }, call, this.#clock);
  }

  /** Throws NO_SUCH_BUCKET. */
  async usage(bucketId: string, call: Call): Promise<Usage | undefined> {
    return (await this.#metadata.getUsage({ bucketId }, call)).usage;
  }
}
