import { sql } from "kysely";
import { afterPrefix, commonPrefixOf, compareKeys } from "../store/key-order";
import { type Marks, type Runner, statement } from "../store/statement";
import { folderItems, type Listed } from "./list-folders";

export type ListPage = {
  readonly bucketId: string;
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  readonly limit: number;
};

export type Listing = {
  readonly versions: Listed[];
  readonly commonPrefixes: string[];
  readonly more: boolean;
  readonly nextAfter: string;
};

type Seek = { bucketId: string; from: string; limit: number };

const columns = ["key", "version_id", "created_at_ms", "delete_marker", "size_bytes", "etag"] as const;

function walk(db: Runner["db"], mark: Marks<Seek>) {
  return (
    db
      .selectFrom("object_versions")
      .select(columns)
      .where("bucket_id", "=", mark("bucketId"))
      // Literals: only with them the engine knows that the partial index answers.
      .where("is_current", "=", sql.lit(1))
      .where("delete_marker", "=", sql.lit(0))
      .orderBy("key")
      .limit(mark("limit"))
  );
}
const fromKey = seeking<Seek>(({ walk, mark }) => walk.where("key", ">=", mark("from")));
const beyondKey = seeking<Seek>(({ walk, mark }) => walk.where("key", ">", mark("from")));
const fromKeyTo = seeking<Seek & { to: string }>(({ walk, mark }) =>
  walk.where("key", ">=", mark("from")).where("key", "<", mark("to")),
);
const beyondKeyTo = seeking<Seek & { to: string }>(({ walk, mark }) =>
  walk.where("key", ">", mark("from")).where("key", "<", mark("to")),
);

/**
 * A walk with where it begins and ends. SQLite gives it as one text: handing a thousand rows to JavaScript value by
 * value was two thirds of a page.
 */
function seeking<P extends Seek>(
  bounded: (from: { walk: ReturnType<typeof walk>; mark: Marks<P> }) => ReturnType<typeof walk>,
): (runner: Runner, values: P) => Listed[] | Promise<Listed[]> {
  const build = (db: Runner["db"], mark: Marks<P>) => bounded({ walk: walk(db, mark as Marks<Seek>), mark });
  const rows = statement<P>()<Listed>(build);
  const packed = statement<P>()((db, mark) =>
    db
      .selectFrom(build(db, mark).as("page"))
      .select(
        sql<string>`json_group_array(json_array(${sql.join(columns.map((column) => sql.ref(column)))}))`.as(
          "rows",
        ),
      ),
  );
  return (runner, values) => {
    if (runner.kind !== "sqlite") return rows(runner, values);
    const [page] = packed(runner, values) as { rows: string }[];
    return (JSON.parse(page?.rows ?? "[]") as PackedRow[]).map(unpacked);
  };
}

type PackedRow = [string, string, number, number, number, string];

function unpacked([key, version_id, created_at_ms, delete_marker, size_bytes, etag]: PackedRow): Listed {
  return { key, version_id, created_at_ms, delete_marker, size_bytes, etag };
}

/** Rows of a first seek under a delimiter, and after a common prefix: most keys of a folder are not worth reading. */
const fewRows = 2;

/**
 * One page of current versions in the order of the keys' UTF-8 bytes. The price follows what is returned: one seek a
 * common prefix, one walk for the keys between them; on PostgreSQL all of them in one round trip.
 */
export async function listVersions(runner: Runner, page: ListPage): Promise<Listing> {
  if (page.limit === 0 || [page.prefix, page.after].some((text) => text.includes("\0")))
    return { versions: [], commonPrefixes: [], more: false, nextAfter: "" };
  // No key holds NUL.
  if (page.delimiter.includes("\0")) return walkPage(runner, { ...page, delimiter: "" });
  if (runner.kind === "sqlite" || page.delimiter === "") return walkPage(runner, page);
  const cursor = startOf(page);
  if (cursor === undefined) return { versions: [], commonPrefixes: [], more: false, nextAfter: "" };
  const items = await folderItems(runner, {
    ...page,
    // The least string above another, where none holds NUL.
    from: cursor.inclusive ? cursor.from : `${cursor.from}\u0001`,
    to: (page.prefix === "" ? undefined : afterPrefix(page.prefix)) ?? null,
    limit: page.limit + 1,
  });
  if (items === undefined) return walkPage(runner, page);
  const shown = items.slice(0, page.limit);
  const last = shown.at(-1);
  const more = items.length > page.limit;
  return {
    versions: shown.filter((item) => item.common === null),
    commonPrefixes: shown.flatMap((item) => item.common ?? []),
    more,
    nextAfter: more && last !== undefined ? (last.common ?? last.key) : "",
  };
}

async function walkPage(runner: Runner, page: ListPage): Promise<Listing> {
  const versions: Listed[] = [];
  const commonPrefixes: string[] = [];
  let nextAfter = "";
  let cursor = startOf(page);
  const end = page.prefix === "" ? undefined : afterPrefix(page.prefix);
  let chunk = page.delimiter === "" ? page.limit + 1 : fewRows;
  const returned = () => versions.length + commonPrefixes.length;
  while (cursor !== undefined) {
    const limit = Math.min(chunk, page.limit + 1 - returned());
    const rows: Listed[] = await seek(runner, page.bucketId, cursor, end, limit);
    let skipTo: string | undefined;
    let skipping: string | undefined;
    for (const row of rows) {
      if (skipping !== undefined && row.key.startsWith(skipping)) continue;
      skipping = undefined;
      if (returned() === page.limit) return { versions, commonPrefixes, more: true, nextAfter };
      const common = commonPrefixOf(row.key, page.prefix, page.delimiter);
      if (common === undefined) {
        versions.push(row);
        nextAfter = row.key;
      } else {
        commonPrefixes.push(common);
        nextAfter = common;
        skipping = common;
        skipTo = common;
      }
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) break;
    if (skipTo !== undefined && skipping !== undefined) {
      const next = afterPrefix(skipTo);
      cursor = next === undefined ? undefined : { from: next, inclusive: true };
      chunk = fewRows;
    } else {
      cursor = { from: last.key, inclusive: false };
      chunk = Math.min(chunk * 4, page.limit + 1);
    }
  }
  return { versions, commonPrefixes, more: false, nextAfter: "" };
}

type Cursor = { from: string; inclusive: boolean };

/** Where the page begins; undefined when nothing can come. A common prefix as `after` skips all that it covers. */
function startOf(page: ListPage): Cursor | undefined {
  if (page.after === "") return { from: page.prefix, inclusive: true };
  if (commonPrefixOf(page.after, page.prefix, page.delimiter) === page.after) {
    const next = afterPrefix(page.after);
    return next === undefined ? undefined : { from: next, inclusive: true };
  }
  return compareKeys(page.after, page.prefix) < 0
    ? { from: page.prefix, inclusive: true }
    : { from: page.after, inclusive: false };
}

function seek(
  runner: Runner,
  bucketId: string,
  cursor: Cursor,
  end: string | undefined,
  limit: number,
): Listed[] | Promise<Listed[]> {
  const values = { bucketId, from: cursor.from, limit };
  if (end === undefined) return cursor.inclusive ? fromKey(runner, values) : beyondKey(runner, values);
  const bounded = { ...values, to: end };
  return cursor.inclusive ? fromKeyTo(runner, bounded) : beyondKeyTo(runner, bounded);
}
