import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WalkSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Runner } from "../store/statement";
import type { WalkRow } from "../store/tables";

/** All walks, in the order of kind and volume. */
export async function listWalks(runner: Runner): Promise<{ walks: MessageInitShape<typeof WalkSchema>[] }> {
  const rows = await runner.db.selectFrom("walks").selectAll().orderBy("kind").orderBy("volume_id").execute();
  return { walks: rows.map(walkMessage) };
}

export function walkMessage(row: WalkRow): MessageInitShape<typeof WalkSchema> {
  return {
    kind: row.kind,
    volumeId: row.volume_id,
    afterBlobId: row.after_blob_id,
    startedAtMs: BigInt(row.started_at_ms),
    updatedAtMs: BigInt(row.updated_at_ms),
    finishedAtMs: BigInt(row.finished_at_ms ?? 0),
    dueAtMs: BigInt(row.due_at_ms ?? 0),
    running: row.running === 1,
    hasty: row.hasty === 1,
    checked: BigInt(row.checked),
    changed: BigInt(row.changed),
    waiting: BigInt(row.waiting),
    bytes: BigInt(row.bytes),
    total: BigInt(row.total),
  };
}
