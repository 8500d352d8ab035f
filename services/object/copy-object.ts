import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetVersionResponse } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { CopyObjectRequest, CopyObjectResponseSchema } from "../../gen/cairn/object/v1/object_pb";
import { CairnError, hasReason } from "../common/errors/cairn-error";
import type { Call } from "../common/rpc/call";
import type { Commits, MetadataClient } from "./commit";
import { lookUp, versionOf } from "./get-object";
import { infoOf } from "./object-info";
import { decideRead } from "./read-conditions";

type Copied = MessageInitShape<typeof CopyObjectResponseSchema>;

/**
 * A new version of the source's extents: no byte moves. When the source's bytes are being removed meanwhile, it is
 * looked up again (P2). Any condition on the source that does not hold, not-modified ones too, is
 * PRECONDITION_FAILED.
 */
export async function copyObject(
  deps: { readonly metadata: MetadataClient; readonly commits: Commits; readonly maxDecisions: number },
  request: CopyObjectRequest,
  call: Call,
): Promise<Copied> {
  refuseNoChange(request);
  for (let decisions = 1; ; decisions++) {
    const found = await findSource(deps.metadata, request, call);
    try {
      return await commitCopy(deps.commits, request, found, call);
    } catch (error) {
      if (!hasReason(error, "SOURCE_GONE") || decisions >= deps.maxDecisions) throw error;
    }
  }
}

async function findSource(
  metadata: MetadataClient,
  request: CopyObjectRequest,
  call: Call,
): Promise<GetVersionResponse> {
  const { sourceBucket, sourceKey, sourceVersionId, sourceConditions } = request;
  const asked = { bucket: sourceBucket, key: sourceKey, versionId: sourceVersionId, range: undefined };
  const found = await lookUp(metadata, asked, false, call);
  const version = versionOf(found, sourceVersionId);
  const validators = { etag: version.content?.etag ?? "", lastModifiedMs: Number(version.createdAtMs) };
  if (decideRead(sourceConditions, validators) !== "send") {
    throw new CairnError("PRECONDITION_FAILED", { resource: sourceKey });
  }
  return found;
}

async function commitCopy(
  commits: Commits,
  request: CopyObjectRequest,
  found: GetVersionResponse,
  call: Call,
): Promise<Copied> {
  const source = versionOf(found, request.sourceVersionId);
  const { bucket, key, conditions } = request;
  if (bucket === undefined || source.content === undefined) {
    throw new CairnError("INVALID_ARGUMENT", { message: "The bucket or the source's content is missing." });
  }
  const headers = request.headers ?? source.content.headers;
  const { sizeBytes, etag, checksums } = source.content;
  const content = {
    sizeBytes,
    etag,
    ...(checksums === undefined ? {} : { checksums }),
    ...(headers === undefined ? {} : { headers }),
  };
  const outcome = await commits.decide(
    bucket,
    (configVersion) => ({
      case: "putVersion",
      value: {
        bucketId: bucket.bucketId,
        configVersion,
        key,
        content,
        extents: found.extents,
        ...(conditions === undefined ? {} : { conditions }),
      },
    }),
    call,
  );
  if (outcome.result.case !== "version")
    throw new CairnError("INTERNAL", { message: "The outcome tells no version." });
  const { versionId, createdAtMs } = outcome.result.value;
  const info = { ...infoOf(source), key, versionId, lastModifiedMs: createdAtMs };
  return { info: headers === undefined ? info : { ...info, headers }, sourceVersionId: source.versionId };
}

function refuseNoChange(request: CopyObjectRequest): void {
  const same =
    request.sourceBucket?.bucketId === request.bucket?.bucketId && request.sourceKey === request.key;
  if (same && request.sourceVersionId === "" && request.headers === undefined) {
    throw new CairnError("COPY_ONTO_ITSELF", { resource: request.key });
  }
}
