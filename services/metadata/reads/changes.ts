import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ReadChangesRequest,
  ReadChangesResponseSchema,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { horizon } from "../commit/numbers";
import type { Runner } from "../store/statement";
import { bucketById } from "./buckets";

/** A bucket's log after a position. Never passes a number below which a transaction is open (P4). */
export async function readChanges(
  runner: Runner,
  request: ReadChangesRequest,
): Promise<MessageInitShape<typeof ReadChangesResponseSchema>> {
  const bucket = await bucketById(runner, request.bucketId);
  const { bucketId, limit } = request;
  const afterNumber = Number(request.afterNumber);
  const through = await horizon(runner);
  const rows = await runner.db
    .selectFrom("changes")
    .selectAll()
    .where("bucket_id", "=", bucketId)
    .where("number", ">", afterNumber)
    .where("number", "<=", through)
    .orderBy("number")
    .limit(limit + 1)
    .execute();
  // After the rows: a purge between the two can only make the answer stricter.
  const gone = await runner.db
    .selectFrom("change_horizons")
    .select("gone_through")
    .where("bucket_id", "=", bucketId)
    .executeTakeFirst();
  if (gone !== undefined && afterNumber < gone.gone_through)
    throw changesGone(bucket.name, `Changes up to ${gone.gone_through} are no longer kept.`);
  if (request.afterCommandId !== "" && afterNumber > 0 && afterNumber !== gone?.gone_through) {
    const known = await runner.db
      .selectFrom("changes")
      .select("command_id")
      .where("number", "=", afterNumber)
      .executeTakeFirst();
    if (known?.command_id !== request.afterCommandId)
      throw changesGone(bucket.name, `Change ${afterNumber} is not of this history.`);
  }
  return {
    changes: rows.slice(0, limit).map((row) => ({
      number: BigInt(row.number),
      commandId: row.command_id,
      bucketId: row.bucket_id,
      key: row.key,
      versionId: row.version_id,
      kind: row.kind,
      atMs: BigInt(row.at_ms),
    })),
    more: rows.length > limit,
  };
}

function changesGone(resource: string, message: string): CairnError {
  return new CairnError("CHANGES_GONE", { resource, message });
}
