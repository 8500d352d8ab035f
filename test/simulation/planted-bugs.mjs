// Bugs that the simulation must catch: each is planted while the simulator is bundled (test/support/planted.mjs), so that
// the product holds no switch for it. `npm run simulate:controls -- NAME` shows one caught.

/**
 * @typedef {object} PlantedBug
 * @property {string} name
 * @property {string} what what is wrong, for people
 * @property {[string, string, string][]} patches file, what stands there, what stands there instead
 * @property {string} [faults] kinds of faults that bring it out (nemesis.ts); without it, each run's own
 * @property {number} [seed] the first seed that is tried: 1, or shortly before one that catches it today
 * @property {number} [seeds] most seeds that are tried, 60 when not given
 * @property {number} [steps] steps of each, 30 when not given
 */

const power = "cut a node's power,cut all power,kill a process";

/** @type {PlantedBug[]} */
export const plantedBugs = [
  {
    name: "no-fsync",
    what: "bytes are acknowledged that no sync covers",
    patches: [
      [
        "services/storage/segment-writer.ts",
        "this.#disk.create(path, { synced: true })",
        "this.#disk.create(path, { synced: false })",
      ],
      [
        "services/storage/segment-writer.ts",
        "openDirect(current.path, { synced: true })",
        "openDirect(current.path, { synced: false })",
      ],
      [
        "services/storage/file-blob-writer.ts",
        "this.#create({ synced: true, direct: false })",
        "this.#create({ synced: false, direct: false })",
      ],
      ["services/storage/file-blob-writer.ts", "    await disk.datasync(fd);\n", ""],
    ],
    faults: power,
  },
  {
    name: "no-directory-fsync",
    what: "a file's content is synced, its name is not",
    patches: [
      ["services/storage/directory-syncs.ts", "this.#disk.syncDirectory(path)", "Promise.resolve()"],
      ["services/storage/segment-writer.ts", "await this.#disk.syncDirectory(this.#files.root);", ""],
    ],
    faults: power,
  },
  {
    name: "index-before-data",
    what: "a record is indexed and acknowledged before its bytes are on the medium",
    patches: [
      ["services/storage/segment-writer.ts", "    await written;\n", "    written.catch(() => {});\n"],
    ],
    faults: power,
    seeds: 300,
    steps: 60,
    seed: 130,
  },
  {
    name: "ack-after-one-copy",
    what: "one durable copy suffices for an answer",
    patches: [
      ["services/object/replica-quorum.ts", "if (this.durable < 2) throw", "if (this.durable < 1) throw"],
      [
        "services/object/replica-quorum.ts",
        "    if (this.active.size + this.durable < 2) this.abort(this.#tooFew());\n    this.#source.changed();\n  }\n\n  /** Gives",
        "    if (this.active.size + this.durable < 1) this.abort(this.#tooFew());\n    this.#source.changed();\n  }\n\n  /** Gives",
      ],
      [
        "services/object/replica-quorum.ts",
        "    else if (this.active.size + this.durable < 2)",
        "    else if (this.active.size + this.durable < 1)",
      ],
      ["services/object/replica-quorum.ts", "if (this.durable === 2)", "if (this.durable === 1)"],
      ["services/metadata/commit/blobs.ts", "if (holders.size < 2)", "if (holders.size < 1)"],
    ],
    faults: "replace a disk,hang a disk,kill a process",
  },
  {
    name: "unverified-reads",
    what: "bytes leave a node unverified",
    patches: [
      ["services/storage/segment-reader.ts", "if (bad !== undefined) throw", "if (false) throw"],
      [
        "services/storage/file-blob-reader.ts",
        "    if (blockChecksum(bytes, layout.fileSeed, block) !== layout.table.readUInt32LE(block * 4))\n",
        "    if (Math.random() < 0)\n",
      ],
    ],
    faults: "wrong bits in reads,damage a file",
  },
  {
    name: "repair-from-unverified",
    what: "repair copies what it has not verified, neither on the node nor on its way",
    patches: [
      ["services/storage/segment-reader.ts", "if (bad !== undefined) throw", "if (false) throw"],
      [
        "services/object/workers/copy-blob.ts",
        "  let sourceError: unknown;\n",
        "  let sourceError: unknown;\n  let copied = 0;\n",
      ],
      [
        "services/object/workers/copy-blob.ts",
        "      yield* verifiedChunks(blob, source, call);\n",
        `      for await (const message of verifiedChunks(blob, source, call)) {
        if (message.part.case === "chunk") copied = crc32c(message.part.value, copied);
        yield message;
      }
`,
      ],
      [
        "services/object/workers/copy-blob.ts",
        "value: { sizeBytes, crc32c: blob.crc32c }",
        "value: { sizeBytes, crc32c: copied }",
      ],
      ["services/object/workers/copy-blob.ts", "if (crc >>> 0 !== blob.crc32c >>> 0)", "if (crc < 0)"],
    ],
    faults: "wrong bits in reads,replace a disk",
    seeds: 150,
    steps: 60,
    seed: 38,
  },
  {
    name: "orphans-without-condemning",
    what: "what no row names is deleted without condemning it first",
    patches: [
      [
        "services/object/workers/orphans.ts",
        `    const outcome = await deps.commits.apply({ case: "condemnOrphans", value }, call);
    if (outcome.result.case === "orphans") going = going.concat(outcome.result.value.blobIds);
`,
        "    going = going.concat(value.blobIds);\n",
      ],
    ],
    faults: "pause a process,cut a link,slow network",
    seeds: 400,
    steps: 60,
    seed: 12,
  },
  {
    name: "retry-after-failed-sync",
    what: "a sync that failed is tried again, and believed",
    patches: [
      [
        "services/storage/segment-writer.ts",
        "[this.#batch.subarray(0, endBytes)], startBytes);",
        "[this.#batch.subarray(0, endBytes)], startBytes).catch(() => this.#disk.datasync(current.fd));",
      ],
      ["services/storage/disk-gate.ts", '        if (kind === "change") this.#judge(error);\n', ""],
    ],
    faults: "fail a write,cut a node's power",
  },
  {
    name: "commit-without-fence",
    what: "a commit is not fenced off by a condemned pair: it names a copy that is being deleted",
    patches: [
      [
        "services/metadata/commit/blobs.ts",
        `    .values({ blob_id: mark("blobId"), volume_id: mark("volumeId"), state: CopyState.GOOD }),
`,
        `    .values({ blob_id: mark("blobId"), volume_id: mark("volumeId"), state: CopyState.GOOD })
    .onConflict((oc) => oc.columns(["blob_id", "volume_id"]).doUpdateSet({ state: CopyState.GOOD })),
`,
      ],
      [
        "services/metadata/commit/blobs.ts",
        `      state: CopyState.GOOD,
    })),
  ),
`,
        `      state: CopyState.GOOD,
    })),
  ).onConflict((oc) => oc.columns(["blob_id", "volume_id"]).doUpdateSet({ state: CopyState.GOOD })),
`,
      ],
    ],
    faults: "pause a process,cut a link,slow network",
    seed: 28,
  },
  {
    name: "copy-onto-dying-blob",
    what: "a copy is committed onto a blob that has no extent left and is about to go",
    patches: [
      [
        "services/metadata/commit/extents.ts",
        `      .where((eb) =>
        eb.exists(
          eb.selectFrom("extents").select("blob_id").whereRef("extents.blob_id", "=", "blobs.blob_id"),
        ),
      )
`,
        "",
      ],
      [
        "services/metadata/commands/take-deletes.ts",
        "const dead = blobIds.filter((blobId) => !referenced.has(blobId));",
        "const dead = blobIds;",
      ],
    ],
    faults: "slow network,pause a process,cut a link",
    seeds: 200,
    steps: 60,
    seed: 95,
  },
  {
    name: "cleanup-after-unknown-commit",
    what: "the bytes of a commit whose outcome is unknown are cleaned up",
    patches: [
      [
        "services/object/put-small-object.ts",
        "  const outcome = await deps.commits.decide(header.bucket, putVersion(header, content, blob), call);\n",
        `  const outcome = await deps.commits
    .decide(header.bucket, putVersion(header, content, blob), call)
    .catch(async (error) => {
      for (const volumeId of blob?.volumeIds ?? []) {
        const volume = deps.write.cluster.volume(volumeId);
        if (volume?.history === undefined) continue;
        const { history } = volume;
        const request = { volumeId, blobIds: [blob?.blobId ?? ""], confirmed: history, current: history };
        await volume.node.client.deleteBlobs(request, newCall({ timeoutMs: 5_000 })).catch(() => {});
      }
      throw error;
    });
`,
      ],
      [
        "services/object/put-small-object.ts",
        'import type { Call } from "../common/rpc/call";',
        'import { type Call, newCall } from "../common/rpc/call";',
      ],
    ],
    faults: "cut a link",
    seeds: 200,
    steps: 60,
    seed: 18,
  },
  {
    name: "commit-unsynced",
    what: "a commit is answered before SQLite's log is synced",
    patches: [
      [
        "services/common/sql/wal-sync.ts",
        "    await commit();\n    await this.#syncFromNow();\n",
        "    await commit();\n    void this.#syncFromNow();\n",
      ],
    ],
    faults: "cut the metadata's power",
  },
  {
    name: "visible-before-durable",
    what: "readers see commits that are not durable yet",
    patches: [
      [
        "services/common/sql/wal-sync.ts",
        "    return Promise.all(this.#open).then(() => this.throwIfFailed());\n",
        "    return undefined;\n",
      ],
    ],
    faults: "cut everything's power,slow the metadata's log",
  },
  {
    name: "conditions-ignored",
    what: "If-Match and If-None-Match are not looked at in the commit's transaction",
    patches: [
      [
        "services/metadata/commands/put-version.ts",
        "if (unmet !== undefined) return",
        "if (Date.now() < 0) return",
      ],
    ],
  },
  {
    name: "retry-under-a-new-id",
    what: "a commit whose answer was lost is asked for again as another command",
    patches: [
      [
        "services/object/commit.ts",
        "          { commands },\n",
        "          { commands: changes.map((change) => ({ id: newId(), change })) },\n",
      ],
    ],
    faults: "kill a process,cut a link,slow network",
    seeds: 400,
    steps: 60,
    seed: 40,
  },
];

/**
 * @typedef {object} SuiteControl a planted bug that a suite of its own catches, in every run of it
 * @property {string} name
 * @property {string} what
 * @property {string} suite
 * @property {string} test a part of the test's name
 */

/** @type {SuiteControl[]} */
export const suiteControls = [
  {
    name: "sqlite-synchronous-off",
    what: "SQLite's commits are not synced",
    suite: "test/faults/power-cut",
    test: "control: SQLite with synchronous=OFF",
  },
  {
    name: "journal-unsynced",
    what: "the journal's records are not synced",
    suite: "test/faults/power-cut",
    test: "control: a journal that is not synced",
  },
  {
    name: "journal-without-epoch",
    what: "the longest log wins, whatever its epoch",
    suite: "test/faults/journal-crash",
    test: "control: a journal with no-epoch",
  },
  {
    name: "journal-without-claim",
    what: "an epoch is not claimed before its first record",
    suite: "test/faults/journal-crash",
    test: "control: a journal with no-claim",
  },
  {
    name: "former-history-counts",
    what: "a folder of the history before an operator's word still counts",
    suite: "test/faults/accept-loss",
    test: "control",
  },
  {
    name: "deletes-by-any-database",
    what: "bytes are deleted on the word of a database restored from the past",
    suite: "test/faults/wrong-database",
    test: "control",
  },
  {
    name: "disks-forget-data",
    what: "disks forget what they were told to sync",
    suite: "test/faults/unsynced-disk",
    test: "forget to sync data",
  },
  {
    name: "disks-forget-names",
    what: "disks forget the names that they were told to sync",
    suite: "test/faults/unsynced-disk",
    test: "forget to sync folders",
  },
];
