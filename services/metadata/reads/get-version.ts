import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sql } from "kysely";
import {
  ChecksumsSchema,
  ContentHeadersSchema,
  type ExtentSchema,
} from "../../../gen/cairn/common/v1/common_pb";
import {
  CopyState,
  type GetVersionRequest,
  type GetVersionResponseSchema,
  type Version,
  type VersionContent,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { sequenceOf } from "../commit/versions";
import { checksumsFromColumn, headersFromColumn } from "../store/content-columns";
import { type Marks, type Runner, statement } from "../store/statement";
import type { VersionRow } from "../store/tables";
import { bucketById } from "./buckets";

type Name = { bucketId: string; key: string };
type Found = VersionRow & { config_version: number };

function named(db: Runner["db"], mark: Marks<Name>) {
  return db
    .selectFrom("object_versions as v")
    .innerJoin("buckets as b", "b.bucket_id", "v.bucket_id")
    .selectAll("v")
    .select("b.config_version")
    .where("b.deleted_at_ms", "is", null)
    .where("v.bucket_id", "=", mark("bucketId"))
    .where("v.key", "=", mark("key"));
}
const current = statement<Name>()((db, mark) => named(db, mark).where("v.is_current", "=", sql.lit(1)));
const hiddenNull = statement<Name>()((db, mark) =>
  named(db, mark)
    .where("v.version_id", "=", sql.lit("null"))
    .where("v.is_current", "=", sql.lit(0))
    .where("v.removed_at_ms", "is", null),
);
const bySequence = statement<Name & { sequence: number }>()((db, mark) =>
  named(db, mark as Marks<Name>)
    .where("v.sequence", "=", mark("sequence"))
    .where("v.removed_at_ms", "is", null),
);

type Owner = { bucketId: string; owner: number };

function places(db: Runner["db"], mark: Marks<Owner>) {
  return db
    .selectFrom("extents as e")
    .innerJoin("blobs as b", "b.blob_id", "e.blob_id")
    .leftJoin("copies as c", (join) =>
      join.onRef("c.blob_id", "=", "e.blob_id").on("c.state", "!=", CopyState.CONDEMNED),
    )
    .select([
      "e.start_bytes",
      "e.blob_id",
      "e.offset_bytes",
      "e.length_bytes",
      "b.size_bytes",
      "c.volume_id",
      "c.state",
    ])
    .where("e.bucket_id", "=", mark("bucketId"))
    .where("e.owner_sequence", "=", mark("owner"))
    .orderBy("e.start_bytes");
}
const allPlaces = statement<Owner>()((db, mark) => places(db, mark));
/** The extent in which the range begins is found by one seek back. */
const touchedPlaces = statement<Owner & { from: number; to: number }>()((db, mark) =>
  places(db, mark as Marks<Owner>)
    .where("e.start_bytes", "<", mark("to"))
    .where(
      "e.start_bytes",
      ">=",
      db
        .selectFrom("extents as f")
        .select((eb) => eb.fn.coalesce(eb.fn.max("f.start_bytes"), sql.lit(0)).as("first"))
        .where("f.bucket_id", "=", mark("bucketId"))
        .where("f.owner_sequence", "=", mark("owner"))
        .where("f.start_bytes", "<=", mark("from")),
    ),
);

/** One version, and for its bytes the extents that a range touches with where their copies lie. */
export async function getVersion(
  runner: Runner,
  request: GetVersionRequest,
): Promise<MessageInitShape<typeof GetVersionResponseSchema>> {
  const row = await findVersion(runner, request);
  const found = { version: versionMessage(row, true), configVersion: BigInt(row.config_version) };
  if (request.headOnly || row.size_bytes === 0) return found;
  const owner = { bucketId: row.bucket_id, owner: row.sequence };
  const from = Number(request.offsetBytes ?? 0n);
  const to = request.lengthBytes === undefined ? row.size_bytes : from + Number(request.lengthBytes);
  if (from >= row.size_bytes || to <= from) return found;
  const rows =
    from === 0 && to >= row.size_bytes
      ? await allPlaces(runner, owner)
      : await touchedPlaces(runner, { ...owner, from, to });
  const extents: MessageInitShape<typeof ExtentSchema>[] = [];
  const blobs = new Map<string, { blobId: string; sizeBytes: bigint; copies: Map<string, CopyState> }>();
  let last = -1;
  for (const place of rows) {
    if (place.start_bytes !== last) {
      last = place.start_bytes;
      extents.push({
        blobId: place.blob_id,
        offsetBytes: BigInt(place.offset_bytes),
        lengthBytes: BigInt(place.length_bytes),
      });
    }
    let blob = blobs.get(place.blob_id);
    if (blob === undefined) {
      blob = { blobId: place.blob_id, sizeBytes: BigInt(place.size_bytes), copies: new Map() };
      blobs.set(place.blob_id, blob);
    }
    if (place.volume_id !== null && place.state !== null) blob.copies.set(place.volume_id, place.state);
  }
  return {
    ...found,
    extents,
    extentsOffsetBytes: BigInt(rows[0]?.start_bytes ?? 0),
    blobs: [...blobs.values()].map(({ blobId, sizeBytes, copies }) => ({
      blobId,
      sizeBytes,
      // GOOD is the least of the states.
      copies: [...copies]
        .sort(([, a], [, b]) => a - b)
        .map(([volumeId, state]) => ({ blobId, volumeId, state })),
    })),
  };
}

async function findVersion(runner: Runner, request: GetVersionRequest): Promise<Found> {
  const { bucketId, key, versionId } = request;
  const name = { bucketId, key };
  const resource = key;
  const readable = !key.includes("\0");
  const [newest] = readable ? await current(runner, name) : [];
  if (versionId === "") {
    if (newest !== undefined && newest.delete_marker === 0) return newest;
    const bucket = await bucketById(runner, bucketId);
    throw new CairnError("NO_SUCH_KEY_IN_BUCKET", {
      message: `The key does not exist in bucket ${bucket.name}.`,
      resource: `${bucket.name}/${resource}`,
      ...(newest === undefined ? {} : { params: { delete_marker: "true", version_id: newest.version_id } }),
    });
  }
  if (newest?.version_id === versionId) return newest;
  const sequence = sequenceOf(versionId);
  if (readable && versionId === "null") {
    const [row] = await hiddenNull(runner, name);
    if (row !== undefined) return row;
  } else if (readable && sequence !== undefined) {
    const [row] = await bySequence(runner, { ...name, sequence });
    if (row?.version_id === versionId) return row;
  }
  const bucket = await bucketById(runner, bucketId);
  throw new CairnError("NO_SUCH_VERSION", {
    message: `The key has no version ${versionId}.`,
    resource: `${bucket.name}/${resource}`,
  });
}

/**
 * A version as a whole message, literally: `create` would walk each of a page's thousand versions field by field. A
 * listing leaves headers and checksums out.
 */
export function versionMessage(
  row: Pick<VersionRow, "key" | "version_id" | "created_at_ms" | "delete_marker" | "size_bytes" | "etag"> &
    Partial<Pick<VersionRow, "headers" | "checksums">>,
  whole: boolean,
): Version {
  const content: VersionContent = {
    $typeName: "cairn.metadata.v1.VersionContent",
    sizeBytes: BigInt(row.size_bytes),
    etag: row.etag,
  };
  if (whole) {
    content.headers = create(ContentHeadersSchema, headersFromColumn(row.headers ?? ""));
    content.checksums = create(ChecksumsSchema, checksumsFromColumn(row.checksums ?? ""));
  }
  return {
    $typeName: "cairn.metadata.v1.Version",
    key: row.key,
    versionId: row.version_id,
    createdAtMs: BigInt(row.created_at_ms),
    deleteMarker: row.delete_marker === 1,
    content,
  };
}
