import { sql } from "kysely";
import { afterPrefix } from "../store/key-order";
import { type Runner, statement } from "../store/statement";
import type { VersionRow } from "../store/tables";

/** What a listing gives of a version. */
export type Listed = Pick<
  VersionRow,
  "key" | "version_id" | "created_at_ms" | "delete_marker" | "size_bytes" | "etag"
>;

/** A version, or the first of those that a common prefix stands for. */
export type Item = Listed & { common: string | null };

type Walk = {
  bucketId: string;
  prefix: string;
  delimiter: string;
  afterDelimiter: string;
  from: string;
  to: string | null;
  limit: number;
};

/**
 * One seek an item inside the engine: from a version to what follows its key, from a common prefix to what follows
 * all that it covers. Common prefixes end with the delimiter, so the least string above one is what stands before
 * the delimiter and the least string above the delimiter.
 */
const walk = statement<Walk>()<Item>((db, mark) => {
  const prefix = sql`${mark("prefix")}::text`;
  const delimiter = sql`${mark("delimiter")}::text`;
  const columns = sql`
    v.key, v.version_id, v.created_at_ms, v.delete_marker, v.size_bytes, v.etag,
    case when at > 0 then left(v.key, char_length(${prefix}) + at + char_length(${delimiter}) - 1) end as common,
    (case when at > 0 then left(v.key, char_length(${prefix}) + at - 1) || ${mark("afterDelimiter")}::text
      else v.key || chr(1) end) collate "C" as next`;
  const seek = (from: unknown) => sql`
    (select o.*, strpos(substr(o.key, char_length(${prefix}) + 1), ${delimiter}) as at from object_versions as o
      where o.bucket_id = ${mark("bucketId")} and o.is_current = 1 and o.delete_marker = 0
        and o.key >= ${from} and (${mark("to")}::text is null or o.key < ${mark("to")}::text)
      order by o.key limit 1) as v`;
  return {
    compile: () =>
      sql<Item>`
      with recursive items as (
        (select ${columns}, 1 as place from ${seek(sql`${mark("from")}::text`)})
        union all
        select ${columns}, items.place + 1 from items cross join lateral ${seek(sql`items.next`)}
        where items.place < ${mark("limit")}::int)
      select key, version_id, created_at_ms, delete_marker, size_bytes, etag, common from items order by place`.compile(
        db,
      ),
  };
});

/**
 * PostgreSQL: up to `limit` items under a delimiter in one round trip, beginning at `from`. Undefined for a delimiter
 * that nothing sorts above.
 */
export function folderItems(
  runner: Runner,
  page: Omit<Walk, "afterDelimiter">,
): Item[] | Promise<Item[]> | undefined {
  const afterDelimiter = afterPrefix(page.delimiter);
  return afterDelimiter === undefined ? undefined : walk(runner, { ...page, afterDelimiter });
}
