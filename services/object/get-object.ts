import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetVersionResponse, Version } from "../../gen/cairn/metadata/v1/metadata_pb";
import type {
  GetObjectHeaderSchema,
  GetObjectRequest,
  GetObjectResponseSchema,
  GetSmallObjectResponseSchema,
  HeadObjectRequest,
} from "../../gen/cairn/object/v1/object_pb";
import { CairnError, hasReason } from "../common/errors/cairn-error";
import type { Call } from "../common/rpc/call";
import type { MetadataClient } from "./commit";
import { FailOverRead, type ReadDependencies } from "./fail-over-read";
import { infoOf } from "./object-info";
import { planRead, type Slice } from "./plan-read";
import { type ByteRange, knownPart, resolveRange } from "./ranges";
import { decideRead } from "./read-conditions";
import { type LeaseDependencies, ReadLease } from "./read-lease";
import { smallBlobBytes } from "./write-small-blob";

export type GetDependencies = {
  readonly metadata: MetadataClient;
  readonly read: ReadDependencies;
  readonly lease: LeaseDependencies;
};

type Part = MessageInitShape<typeof GetObjectResponseSchema>;
type Header = MessageInitShape<typeof GetObjectHeaderSchema>;
type Decided = { readonly header: Header; readonly range: ByteRange; readonly send: boolean };

/**
 * One look at the metadata, then the bytes from any good replicas. The header is sent when the first bytes are at
 * hand, so that what cannot be read is an error and not a broken answer.
 */
export async function* getObject(
  deps: GetDependencies,
  request: GetObjectRequest,
  call: Call,
): AsyncGenerator<Part> {
  const { read, first } = await openRead(deps, request, Number.POSITIVE_INFINITY, call);
  let sentBytes = 0;
  try {
    yield { part: { case: "header", value: read.decided.header } };
    for (let next = first; next !== undefined; next = await read.next()) {
      sentBytes += next.length;
      yield { part: { case: "chunk", value: next } };
    }
    yield { part: { case: "trailer", value: { sentBytes: BigInt(sentBytes) } } };
  } finally {
    deps.read.metrics.bytesOut.inc(sentBytes);
    read.end();
  }
}

/** The same in one message; of what is longer than that, only the header. */
export async function getSmallObject(
  deps: GetDependencies,
  request: GetObjectRequest,
  call: Call,
): Promise<MessageInitShape<typeof GetSmallObjectResponseSchema>> {
  const { read, first } = await openRead(deps, request, smallBlobBytes, call);
  try {
    const { header, range } = read.decided;
    if (range.lengthBytes > smallBlobBytes) return { header };
    const content = await whole(read, first);
    deps.read.metrics.bytesOut.inc(content.length);
    return { header, content };
  } finally {
    read.end();
  }
}

/** All that a read brings, joined only when it came in pieces. */
async function whole(read: VersionRead, first: Uint8Array | undefined): Promise<Uint8Array> {
  if (first === undefined) return new Uint8Array();
  if (first.length === read.decided.range.lengthBytes) return first;
  const pieces: Uint8Array[] = [];
  for (let next: Uint8Array | undefined = first; next !== undefined; next = await read.next())
    pieces.push(next);
  return Buffer.concat(pieces);
}

/** A version that is being read, with its first bytes unless there are more than `mostBytes` in all. */
async function openRead(
  deps: GetDependencies,
  request: GetObjectRequest,
  mostBytes: number,
  call: Call,
): Promise<{ read: VersionRead; first: Uint8Array | undefined }> {
  for (let lastTry = false; ; lastTry = true) {
    const read = new VersionRead(deps, request, await lookUp(deps.metadata, request, false, call), call);
    try {
      const first = read.decided.range.lengthBytes > mostBytes ? undefined : await read.next();
      return { read, first };
    } catch (error) {
      read.end();
      // A version that went while its bytes were looked for (P6): nothing is sent yet, so the request begins afresh.
      if (!read.gone || lastTry) throw error;
    }
  }
}

/** What the header of a GET would say. */
export async function headObject(
  deps: Pick<GetDependencies, "metadata">,
  request: HeadObjectRequest,
  call: Call,
): Promise<Header> {
  const found = await lookUp(deps.metadata, request, true, call);
  return decide(request, versionOf(found, request.versionId)).header;
}

/** A version that is being read: what was decided about it, its bytes, its lease. */
class VersionRead {
  readonly decided: Decided;
  readonly #bytes: FailOverRead;
  readonly #lease: ReadLease;
  /** Looked up again, it was not there any more. */
  gone = false;

  constructor(deps: GetDependencies, request: GetObjectRequest, found: GetVersionResponse, call: Call) {
    const version = versionOf(found, request.versionId);
    this.decided = decide(request, version);
    const slices: Slice[] = this.decided.send ? planRead(found, this.decided.range) : [];
    this.#lease = new ReadLease(
      deps.lease,
      slices.map((slice) => slice.blobId),
    );
    const again = async () => {
      try {
        const fresh = await lookUp(deps.metadata, { ...request, versionId: version.versionId }, false, call);
        return fresh.blobs;
      } catch (error) {
        if (!hasReason(error, "NO_SUCH_VERSION", "NO_SUCH_KEY_IN_BUCKET", "NO_SUCH_BUCKET")) throw error;
        this.gone = true;
        return undefined;
      }
    };
    this.#bytes = new FailOverRead(deps.read, slices, found.blobs, again, call);
  }

  next(): Promise<Uint8Array | undefined> {
    return this.#bytes.next();
  }

  end(): void {
    this.#lease.end();
    this.#bytes.end();
  }
}

type Asked = Pick<GetObjectRequest, "bucket" | "key" | "versionId" | "range" | "conditions">;

/** One call. Of a plain range only the extents that it touches are asked for. */
export async function lookUp(
  metadata: MetadataClient,
  asked: Pick<Asked, "bucket" | "key" | "versionId" | "range">,
  headOnly: boolean,
  call: Call,
): Promise<GetVersionResponse> {
  const part = headOnly ? undefined : knownPart(asked.range?.range);
  return metadata.getVersion(
    {
      bucketId: asked.bucket?.bucketId ?? "",
      key: asked.key,
      versionId: asked.versionId,
      headOnly,
      ...(part === undefined ? {} : { offsetBytes: part.offset }),
      ...(part?.length === undefined ? {} : { lengthBytes: part.length }),
    },
    call,
  );
}

/** The version that was found. A delete marker is none: 404 as the current one, 405 when asked for by id. */
export function versionOf(found: GetVersionResponse, askedVersionId: string): Version {
  const { version } = found;
  if (version === undefined) throw new CairnError("NO_SUCH_KEY_IN_BUCKET");
  if (version.deleteMarker) {
    const params = { delete_marker: "true", version_id: version.versionId };
    const reason = askedVersionId === "" ? "NO_SUCH_KEY_IN_BUCKET" : "METHOD_NOT_ALLOWED";
    throw new CairnError(reason, { resource: version.key, params });
  }
  return version;
}

function decide(asked: Asked, version: Version): Decided {
  const info = infoOf(version);
  const sizeBytes = Number(info.sizeBytes ?? 0n);
  const decision = decideRead(asked.conditions, {
    etag: info.etag ?? "",
    lastModifiedMs: Number(version.createdAtMs),
  });
  if (decision === "failed") throw new CairnError("PRECONDITION_FAILED", { resource: version.key });
  if (decision === "not-modified") {
    const header = { info, notModified: true, offsetBytes: 0n, lengthBytes: 0n, partial: false };
    return { header, range: { offsetBytes: 0, lengthBytes: 0, partial: false }, send: false };
  }
  const range = resolveRange(asked.range?.range, sizeBytes);
  const header = {
    info,
    notModified: false,
    offsetBytes: BigInt(range.offsetBytes),
    lengthBytes: BigInt(range.lengthBytes),
    partial: range.partial,
  };
  return { header, range, send: true };
}
