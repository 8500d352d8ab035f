import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Outcome } from "../../gen/cairn/metadata/v1/metadata_pb";
import type {
  DeleteObjectRequest,
  DeleteObjectsRequest,
  DeleteObjectsResultSchema,
  ObjectIdentifier,
} from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { Call } from "../common/rpc/call";
import { type Change, type Commits, refusalError } from "./commit";

type Deleted = { versionId: string; deleteMarker: boolean };
type Result = MessageInitShape<typeof DeleteObjectsResultSchema>;

/** One command; the bytes go later, by the queue. An absent key is no error. */
export async function deleteObject(
  commits: Commits,
  request: DeleteObjectRequest,
  call: Call,
): Promise<Deleted> {
  const bucket = required(request.bucket);
  const { key, versionId, conditions } = request;
  const outcome = await commits.decide(
    bucket,
    (configVersion) => ({
      case: "deleteVersion",
      value: {
        bucketId: bucket.bucketId,
        configVersion,
        key,
        versionId,
        ...(conditions === undefined ? {} : { conditions }),
      },
    }),
    call,
  );
  return deleted(outcome);
}

/**
 * Up to 1,000 keys in one Execute, each with an outcome of its own. Those that were decided on an old configuration
 * are decided again. Throws NO_SUCH_BUCKET when the bucket is gone.
 */
export async function deleteObjects(
  commits: Commits,
  request: DeleteObjectsRequest,
  maxDecisions: number,
  call: Call,
): Promise<Result[]> {
  const bucket = required(request.bucket);
  const results: Result[] = [];
  let { configVersion } = bucket;
  let open = request.objects.map((object, index) => ({ object, index }));
  for (let decisions = 1; open.length > 0; decisions++) {
    const version = configVersion;
    const outcomes = await commits.outcomes(
      open.map(({ object }) => deletion(bucket.bucketId, version, object)),
      call,
    );
    const again: typeof open = [];
    for (const [at, entry] of open.entries()) {
      const outcome = outcomes[at];
      if (outcome === undefined) throw new CairnError("INTERNAL", { message: "An outcome is missing." });
      if (reasonOf(outcome) === "NO_SUCH_BUCKET") throw new CairnError("NO_SUCH_BUCKET");
      if (reasonOf(outcome) === "CONFIG_CHANGED" && decisions < maxDecisions) again.push(entry);
      else results[entry.index] = result(entry.object, outcome);
    }
    if (again.length > 0) configVersion = await commits.freshConfigVersion(bucket.bucketId, call);
    open = again;
  }
  return results;
}

function deletion(bucketId: string, configVersion: bigint, object: ObjectIdentifier): Change {
  const { key, versionId } = object;
  return { case: "deleteVersion", value: { bucketId, configVersion, key, versionId } };
}

function result(object: ObjectIdentifier, outcome: Outcome): Result {
  const { key, versionId } = object;
  if (outcome.result.case !== "refusal") return { key, ...deleted(outcome) };
  const { reason, message, resource } = refusalError(outcome.result.value);
  return { key, versionId, error: { reason, message, resource } };
}

function deleted(outcome: Outcome): Deleted {
  if (outcome.result.case !== "version")
    throw new CairnError("INTERNAL", { message: "The outcome tells no version." });
  const { changed, versionId, deleteMarker } = outcome.result.value;
  return changed ? { versionId, deleteMarker } : { versionId: "", deleteMarker: false };
}

function reasonOf(outcome: Outcome): string {
  return outcome.result.case === "refusal" ? outcome.result.value.reason : "";
}

function required<T>(bucket: T | undefined): T {
  if (bucket === undefined) throw new CairnError("INVALID_ARGUMENT", { message: "The bucket is missing." });
  return bucket;
}
