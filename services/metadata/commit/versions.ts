import { sql } from "kysely";
import { Versioning } from "../../../gen/cairn/common/v1/common_pb";
import { statement } from "../store/statement";
import type { BucketRow, VersionRow } from "../store/tables";
import type { Batch, Stamp } from "./batch";
import type { KnownVersion } from "./known-version";

const knownColumns = [
  "sequence",
  "version_id",
  "created_at_ms",
  "delete_marker",
  "size_bytes",
  "etag",
  "is_current",
] as const;

type Name = { bucketId: string; key: string };

const current = statement<Name>()((db, mark) =>
  db
    .selectFrom("object_versions")
    .select(knownColumns)
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("is_current", "=", sql.lit(1)),
);
const hiddenNull = statement<Name>()((db, mark) =>
  db
    .selectFrom("object_versions")
    .select(knownColumns)
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("version_id", "=", sql.lit("null"))
    .where("is_current", "=", sql.lit(0))
    .where("removed_at_ms", "is", null),
);
const bySequence = statement<Name & { sequence: number }>()((db, mark) =>
  db
    .selectFrom("object_versions")
    .select([...knownColumns])
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("sequence", "=", mark("sequence"))
    .where("removed_at_ms", "is", null),
);
const newestKept = statement<Name>()((db, mark) =>
  db
    .selectFrom("object_versions")
    .select("sequence")
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("removed_at_ms", "is", null)
    .orderBy("sequence", "desc")
    .limit(1),
);
const setCurrent = statement<Name & { sequence: number; isCurrent: number }>()((db, mark) =>
  db
    .updateTable("object_versions")
    .set({ is_current: mark("isCurrent") })
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("sequence", "=", mark("sequence")),
);
const keepAsHistory = statement<Name & { sequence: number; removedAtMs: number }>()((db, mark) =>
  db
    .updateTable("object_versions")
    .set({ is_current: 0, removed_at_ms: mark("removedAtMs") })
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("sequence", "=", mark("sequence")),
);
const deleteRow = statement<Name & { sequence: number }>()((db, mark) =>
  db
    .deleteFrom("object_versions")
    .where("bucket_id", "=", mark("bucketId"))
    .where("key", "=", mark("key"))
    .where("sequence", "=", mark("sequence")),
);
const insertRow = statement<VersionRow>()((db, mark) =>
  db.insertInto("object_versions").values({
    bucket_id: mark("bucket_id"),
    key: mark("key"),
    sequence: mark("sequence"),
    version_id: mark("version_id"),
    created_at_ms: mark("created_at_ms"),
    removed_at_ms: null,
    is_current: 1,
    delete_marker: mark("delete_marker"),
    size_bytes: mark("size_bytes"),
    etag: mark("etag"),
    headers: mark("headers"),
    checksums: mark("checksums"),
  }),
);

/** The current version of a key, a delete marker too. */
export async function currentVersion(batch: Batch, name: Name): Promise<KnownVersion | undefined> {
  const id = nameId(name);
  if (batch.currents.has(id)) return batch.currents.get(id);
  return (await current(batch, name))[0];
}

/** PostgreSQL: looks the current versions up that a batch will ask for, in one round trip. Their keys are held by now. */
export async function lookUpCurrents(batch: Batch, names: Iterable<Name>): Promise<void> {
  const asked = [...names].filter(({ key }) => !key.includes("\0"));
  const found = await Promise.all(asked.map((name) => current(batch, name)));
  for (const [index, name] of asked.entries()) batch.currents.set(nameId(name), found[index]?.[0]);
}

/** A bucket's id holds no slash. */
function nameId(name: Name): string {
  return `${name.bucketId}/${name.key}`;
}

/** A version that was not removed, by its id. */
export async function versionById(
  batch: Batch,
  name: Name,
  versionId: string,
  currentOne: KnownVersion | undefined,
): Promise<KnownVersion | undefined> {
  if (currentOne?.version_id === versionId) return currentOne;
  if (versionId === "null") return (await hiddenNull(batch, name))[0];
  const sequence = sequenceOf(versionId);
  if (sequence === undefined) return undefined;
  const [row] = await bySequence(batch, { ...name, sequence });
  return row?.version_id === versionId ? row : undefined;
}

/** Which version a put or a delete marker takes the place of, where versioning does not keep it. */
export async function replacedBy(
  batch: Batch,
  bucket: BucketRow,
  key: string,
  currentOne: KnownVersion | undefined,
): Promise<KnownVersion | undefined> {
  if (bucket.versioning === Versioning.ENABLED) return undefined;
  if (currentOne === undefined || currentOne.version_id === "null") return currentOne;
  return (await hiddenNull(batch, { bucketId: bucket.bucket_id, key }))[0];
}

export type VersionColumns = Pick<
  VersionRow,
  "delete_marker" | "size_bytes" | "etag" | "headers" | "checksums"
>;

/**
 * Makes a version the current one of its key; what it replaces is removed, its extents not yet: give the new version
 * its own first, then call `releaseRemoved`. Never earlier than the version that it follows (P3).
 */
export function insertVersion(
  batch: Batch,
  stamp: Stamp,
  bucket: BucketRow,
  key: string,
  former: { current: KnownVersion | undefined; replaced: KnownVersion | undefined },
  columns: VersionColumns,
): { versionId: string; createdAtMs: number } {
  const name = { bucketId: bucket.bucket_id, key };
  const createdAtMs = Math.max(stamp.atMs, former.current?.created_at_ms ?? 0);
  const versionId = bucket.versioning === Versioning.ENABLED ? versionIdFor(stamp) : "null";
  if (former.current !== undefined && former.current.sequence !== former.replaced?.sequence)
    batch.write(setCurrent(batch, { ...name, sequence: former.current.sequence, isCurrent: 0 }));
  if (former.replaced !== undefined) removeRow(batch, name, former.replaced, createdAtMs);
  const row: VersionRow = {
    ...columns,
    bucket_id: name.bucketId,
    key,
    sequence: stamp.number,
    version_id: versionId,
    created_at_ms: createdAtMs,
    removed_at_ms: null,
    is_current: 1,
  };
  batch.write(insertRow(batch, row));
  if (batch.kind === "postgres") batch.currents.set(nameId(name), row);
  countVersion(batch, name.bucketId, columns, 1);
  return { versionId, createdAtMs };
}

/** Removes a version; the newest that is left becomes current. Call `releaseRemoved` afterwards. */
export async function removeVersion(
  batch: Batch,
  stamp: Stamp,
  bucket: BucketRow,
  key: string,
  version: KnownVersion,
): Promise<void> {
  const name = { bucketId: bucket.bucket_id, key };
  removeRow(batch, name, version, Math.max(stamp.atMs, version.created_at_ms));
  if (version.is_current === 0) return;
  batch.currents.delete(nameId(name));
  // Versioning once enabled is never taken away again: without it a key has one version.
  if (bucket.versioning === Versioning.UNSPECIFIED) return;
  const [next] = await newestKept(batch, name);
  if (next !== undefined) batch.write(setCurrent(batch, { ...name, sequence: next.sequence, isCurrent: 1 }));
}

/**
 * With no history window the removed version's extents go with it, in the same transaction (P2): at its end, so that
 * which blobs lost their last one is proven once for all (P6).
 */
export function releaseRemoved(batch: Batch, bucketId: string, removed: KnownVersion | undefined): void {
  if (removed === undefined || batch.config.historyWindowMs > 0 || removed.size_bytes === 0) return;
  batch.released.push({ bucketId, owner: removed.sequence });
}

function removeRow(batch: Batch, name: Name, version: KnownVersion, removedAtMs: number): void {
  const { sequence } = version;
  if (batch.config.historyWindowMs > 0) batch.write(keepAsHistory(batch, { ...name, sequence, removedAtMs }));
  else batch.write(deleteRow(batch, { ...name, sequence }));
  countVersion(batch, name.bucketId, version, -1);
}

function countVersion(
  batch: Batch,
  bucketId: string,
  version: Pick<VersionRow, "delete_marker" | "size_bytes">,
  sign: 1 | -1,
): void {
  if (version.delete_marker === 1) return;
  batch.addUsage(bucketId, sign, sign * version.size_bytes);
}

/** Opaque to clients; its first half finds the row by the primary key, its second makes it hard to guess. */
function versionIdFor(stamp: Stamp): string {
  return stamp.number.toString(16).padStart(14, "0") + stamp.commandId.replaceAll("-", "").slice(-18);
}

/** The sequence that a version id carries; undefined when it is none of ours. */
export function sequenceOf(versionId: string): number | undefined {
  return /^[0-9a-f]{32}$/.test(versionId) ? Number.parseInt(versionId.slice(0, 14), 16) : undefined;
}
