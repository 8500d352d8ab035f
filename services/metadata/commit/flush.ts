import { sql } from "kysely";
import { statement } from "../store/statement";
import type { ChangeRow } from "../store/tables";
import type { Batch } from "./batch";

const hourMs = 3_600_000;

const insertMark = statement<{ hour: number; number: number; commandId: string }>()((db, mark) =>
  db
    .insertInto("marks")
    .values({ hour: mark("hour"), number: mark("number"), command_id: mark("commandId") })
    .onConflict((oc) => oc.doNothing()),
);
const addUsage = statement<{
  bucketId: string;
  slot: number;
  objects: number;
  sizeBytes: number;
  changes: number;
}>()((db, mark) =>
  db
    .insertInto("usage")
    .values({
      bucket_id: mark("bucketId"),
      slot: mark("slot"),
      objects: mark("objects"),
      size_bytes: mark("sizeBytes"),
      changes: mark("changes"),
    })
    .onConflict((oc) =>
      oc.columns(["bucket_id", "slot"]).doUpdateSet({
        objects: sql`usage.objects + excluded.objects` as never,
        size_bytes: sql`usage.size_bytes + excluded.size_bytes` as never,
        changes: sql`usage.changes + excluded.changes` as never,
      }),
    ),
);

type OutcomeRow = { command_id: string; outcome: Uint8Array };

const insertOutcome = statement<OutcomeRow>()((db, mark) =>
  db.insertInto("outcomes").values({ command_id: mark("command_id"), outcome: mark("outcome") }),
);
const insertOutcomes = statement<{ ids: string[]; outcomes: Uint8Array[] }>()((db, mark) => ({
  compile: () =>
    sql`insert into outcomes (command_id, outcome)
    select * from unnest(${mark("ids")}::text[], ${mark("outcomes")}::bytea[])`.compile(db),
}));
const insertChange = statement<ChangeRow>()((db, mark) =>
  db.insertInto("changes").values({
    number: mark("number"),
    command_id: mark("command_id"),
    bucket_id: mark("bucket_id"),
    key: mark("key"),
    version_id: mark("version_id"),
    kind: mark("kind"),
    at_ms: mark("at_ms"),
  }),
);
type ChangeLists = { [K in keyof ChangeRow]: ChangeRow[K][] };
const insertChanges = statement<ChangeLists>()((db, mark) => ({
  compile: () =>
    sql`insert into changes (number, command_id, bucket_id, key, version_id, kind, at_ms)
    select * from unnest(${mark("number")}::bigint[], ${mark("command_id")}::text[], ${mark("bucket_id")}::text[],
      ${mark("key")}::text[], ${mark("version_id")}::text[], ${mark("kind")}::text[], ${mark("at_ms")}::bigint[])`.compile(
      db,
    ),
}));

/** Writes what gathered in the batch: its outcomes (P3), log lines, the hour's mark (P7) and usage sums (P4). */
export function flush(batch: Batch, outcomes: readonly OutcomeRow[], slot: number): void {
  const { changes } = batch;
  if (batch.kind === "sqlite") {
    for (const row of outcomes) batch.write(insertOutcome(batch, row));
    for (const row of changes) batch.write(insertChange(batch, row));
  } else {
    if (outcomes.length > 0)
      batch.write(
        insertOutcomes(batch, {
          ids: outcomes.map((row) => row.command_id),
          outcomes: outcomes.map((row) => row.outcome),
        }),
      );
    if (changes.length > 0) batch.write(insertChanges(batch, listsOf(changes)));
  }
  const [first] = changes;
  if (first !== undefined) {
    const hour = Math.floor(batch.nowMs / hourMs);
    batch.write(insertMark(batch, { hour, number: first.number, commandId: first.command_id }));
  }
  // In order, so that two processes that share a slot cannot wait for each other.
  for (const [bucketId, delta] of [...batch.usage].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (delta.objects !== 0 || delta.sizeBytes !== 0 || delta.changes !== 0)
      batch.write(addUsage(batch, { bucketId, slot, ...delta }));
}

function listsOf(changes: readonly ChangeRow[]): ChangeLists {
  return {
    number: changes.map((row) => row.number),
    command_id: changes.map((row) => row.command_id),
    bucket_id: changes.map((row) => row.bucket_id),
    key: changes.map((row) => row.key),
    version_id: changes.map((row) => row.version_id),
    kind: changes.map((row) => row.kind),
    at_ms: changes.map((row) => row.at_ms),
  };
}
