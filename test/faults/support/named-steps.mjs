// The steps of write, commit, compaction, repair and their kin at which `kill-at-steps.test.ts` kills a store. As planted
// bugs (test/simulation/planted-bugs.mjs) they exist in the tests' own bundle alone: the product holds no switch for them.
// Run by itself it prints them as JSON.
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} NamedStep
 * @property {string} family
 * @property {string} name what has happened, and what has not
 * @property {string} file
 * @property {string} [after] what stands there once: the step comes behind it
 * @property {string} [before] or before it
 * @property {string} [when] a condition, where the place is passed for other reasons too
 * @property {string} [require] how a function that runs apart from the bundle requires
 * @property {"load" | "start" | "damage" | "orphans"} [by] what brings the step about; "load" when not given
 */

/** @type {NamedStep[]} */
export const namedSteps = [
  ...steps("small write", "services/storage/segment-writer.ts", [
    {
      name: "a segment is begun, its name is not synced",
      after: "      await this.#disk.write(fd, [encodeSegmentHeader(segment, segmentId)], 0);\n",
    },
    { name: "a batch of records is synced, the index does not know", after: "    await written;\n" },
    {
      name: "a batch is indexed, nobody was told",
      after: "    this.#index.apply(state, startBytes + endBytes, indexed);\n",
    },
  ]),
  ...steps("large write", "services/storage/file-blob-writer.ts", [
    {
      name: "a temporary file is made, empty",
      after: "    this.#fd = await this.#parts.disk.create(this.path, how);\n",
    },
    {
      name: "a part of a large blob is written",
      before: "    await this.#parts.buffers.use((buffer) => {\n",
      when: "position > 0",
    },
    { name: "a large blob is written whole, not synced", before: "    await disk.datasync(fd);\n" },
    { name: "a large blob is synced, it has no name", after: "    await disk.datasync(fd);\n" },
  ]),
  ...steps("large write", "services/storage/file-engine.ts", [
    {
      name: "a large blob has its name, its folder is not synced",
      after: "      await this.#disk.rename(file.path, path);\n",
    },
    {
      name: "a large blob's folder is synced, nobody was told",
      after: "    await this.#syncs.sync(this.#shards.folderOf(blobId));\n",
    },
  ]),
  ...steps("commit", "services/object/replica-quorum.ts", [
    {
      name: "one copy is durable",
      after: "    this.#volumeIds.push(volumeId);\n",
      when: "this.durable === 1",
    },
  ]),
  ...steps("commit", "services/object/put-small-object.ts", [
    {
      name: "all copies are durable, the commit is not asked for",
      before: "  const outcome = await deps.commits.decide(",
    },
    {
      name: "a version is committed, the client was not told",
      before: "  deps.metrics.bytesIn.inc(body.length);\n",
    },
  ]),
  ...steps("commit", "services/common/sql/journalled.ts", [
    {
      name: "a transaction is decided, its record is not written",
      before: '    const position = await journal.append("transaction", ',
    },
    { name: "a record is synced, SQLite has not committed", before: "    this.note(position);\n" },
  ]),
  ...steps("commit", "services/common/journal/folder-writer.ts", [
    { name: "a journal's file is begun, empty", after: "      await this.#beginFile(first.begins.name);\n" },
    { name: "a record is synced in one folder", after: "    await this.#append(buffers);\n" },
  ]),
  ...steps("commit", "services/common/sql/sqlite.ts", [
    { name: "SQLite has committed, nobody was told", after: "        await commit(connection);\n" },
  ]),
  ...steps("snapshot", "services/common/journal/snapshots.ts", [
    {
      name: "a snapshot is copied, it has no name",
      before: "  const named = `snapshot-",
      require: "apart.require",
    },
    {
      name: "a snapshot has its name, the former one is there too",
      before: "  sync(folder);\n  for (const other of ",
      require: "apart.require",
    },
  ]),
  ...steps("snapshot", "services/common/journal/journal-keeper.ts", [
    {
      name: "a snapshot is there, the log is not cut",
      before: "      await this.journal.cut(folder, mark.number);\n",
    },
  ]),
  ...steps("snapshot", "services/common/journal/journal.ts", [
    { name: "a part of the log is cut off", after: "      await this.#disk.unlink(file.path);\n" },
  ]),
  ...steps("start", "services/common/journal/claim-file.ts", [
    {
      name: "an epoch is claimed in one folder",
      after: "  await replaceFile(disk, folder, name, Buffer.from(line));\n",
      by: "start",
    },
  ]),
  ...steps("start", "services/common/journal/journal.ts", [
    {
      name: "an epoch is claimed in three, its first record is not written",
      before: "    const { claimId } = started.claim;\n",
      by: "start",
    },
  ]),
  ...steps("start", "services/storage/replace-file.ts", [
    {
      name: "what a volume remembers is written anew, it has no name",
      before: "  await disk.rename(temporary, ",
    },
    {
      name: "what a volume remembers has its name, the folder is not synced",
      before: "  await disk.syncDirectory(folder);\n}\n",
    },
  ]),
  ...steps("compaction", "services/storage/segment-compactor.ts", [
    {
      name: "some records of a segment are copied",
      after: "        await Promise.all(needed.map((record) => this.#copy(segment, record)));\n",
    },
    {
      name: "all of a segment is copied, the index is not written down",
      after: "    await this.#copyLive(state);\n",
    },
    {
      name: "all of a segment is copied and indexed, it is still there",
      after: "    index.flush();\n",
    },
    {
      name: "a compacted segment is gone, the index names it",
      after: "    await files.remove(state.segment);\n",
    },
  ]),
  ...steps("compaction", "services/storage/segment-files.ts", [
    {
      name: "a compacted segment is gone, its folder is not synced",
      after: "    await this.#disk.unlink(this.pathOf(segment));\n",
    },
  ]),
  ...steps("delete", "services/object/workers/deletes.ts", [
    {
      name: "copies are condemned, no node was told",
      before: "  const deletedPairs: Pair[] = [];\n",
      when: "pairs.length > 0",
    },
    {
      name: "copies are deleted, the metadata does not know",
      before: "  await confirm(deps.commits, deletedPairs, call);\n  return pairs",
      when: "deletedPairs.length > 0",
    },
  ]),
  ...steps("delete", "services/storage/file-engine.ts", [
    {
      name: "a large blob is removed, its folder is not synced",
      before: "    await Promise.all([...folders].map((folder) => this.#syncs.sync(folder)));\n",
    },
  ]),
  ...steps("delete", "services/object/workers/orphans.ts", [
    {
      name: "orphans are condemned, no node was told",
      before: "  for (let at = 0; at < going.length; at += 1_000) {\n",
      when: "going.length > 0",
      by: "orphans",
    },
  ]),
  ...steps("repair", "services/object/workers/repair.ts", [
    { name: "a repair is given out, nothing is copied", before: "  let finish: Finish;\n", by: "damage" },
    {
      name: "a repair is finished, what it gave up is not deleted",
      before: "  deps.metrics.repairs.inc({\n",
      by: "damage",
    },
  ]),
  ...steps("repair", "services/object/workers/copy-blob.ts", [
    {
      name: "a part of a copy is on its way",
      after: '      yield create(WriteBlobRequestSchema, { part: { case: "chunk", value: part.value } });\n',
      by: "damage",
    },
    {
      name: "a copy has come whole, it is not finished",
      before: '    yield create(WriteBlobRequestSchema, {\n      part: { case: "finish"',
      by: "damage",
    },
    {
      name: "a copy is durable, the metadata does not know",
      after: "    await target.client.writeBlob(messages(), call);\n",
      by: "damage",
    },
  ]),
];

/** Small limits, so that each step comes within a second: of a segment, of a journal's file, between two snapshots. */
export const smallLimits = [
  [
    "services/storage/config.ts",
    "segmentBytes: 256 * 1024 * 1024,\n  segmentDead",
    "segmentBytes: 1024 * 1024,\n  segmentDead",
  ],
  ["services/storage/segment-store.ts", "compactionIdleMs = 5_000", "compactionIdleMs = 100"],
  ["services/common/journal/journal.ts", "fileBytes ?? 16 * megabyte", "fileBytes ?? megabyte / 8"],
  [
    "services/common/journal/journal-keeper.ts",
    "snapshotEveryRecords = 1_000_000",
    "snapshotEveryRecords = 40",
  ],
  ["services/object/config.ts", "repair: { idleMs: 2_000", "repair: { idleMs: 100"],
  ["services/object/config.ts", "deletes: { idleMs: 5_000", "deletes: { idleMs: 100"],
  ["services/object/config.ts", "historyEveryMs: 10_000", "historyEveryMs: 500"],
];

/** For `planted`: the steps, each a call of what CAIRN_STEPS names (stop-at-step.cjs). */
export const stepPatches = [...smallLimits, ...namedSteps.flatMap(patchOf)];

/** @returns {NamedStep[]} */
function steps(family, file, some) {
  return some.map((step) => ({ family, file, by: "load", ...step }));
}

function patchOf({ file, name, after, before, when, require = "require" }) {
  const call = `${require}(process.env.CAIRN_STEPS)(${JSON.stringify(name)});\n`;
  const step = when === undefined ? call : `if (${when}) ${call}`;
  return [[file, after ?? before, after === undefined ? step + before : after + step]];
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  process.stdout.write(JSON.stringify(namedSteps.map(({ family, name, by }) => ({ family, name, by }))));
