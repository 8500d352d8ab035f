import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type GetVersionRequest,
  type GetVersionResponse,
  GetVersionResponseSchema,
  type MetadataService,
} from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { ServiceImpl } from "../common/rpc/service";
import { wholeMessage } from "../common/rpc/whole-message";
import type { Database } from "../common/sql/database";
import type { Clock } from "../common/time/clock";
import type { Execute } from "./execute";
import { bucketMessage } from "./reads/bucket-message";
import { bucketById, bucketByName, bucketUsage, listBuckets } from "./reads/buckets";
import { readChanges } from "./reads/changes";
import { describeBlobs } from "./reads/describe-blobs";
import { getVersion, versionMessage } from "./reads/get-version";
import { currentPosition, historyConflict } from "./reads/history";
import { listVersions } from "./reads/list-versions";
import { listCopies, listNodes } from "./reads/nodes";
import { queueDepths } from "./reads/queues";
import { listParts, listUploads } from "./reads/uploads";
import type { VersionCache } from "./reads/version-cache";
import { listWalks } from "./reads/walks";
import type { Runner } from "./store/statement";
import type { Tables } from "./store/tables";

/** What the methods need once the database is there. */
export type Opened = {
  readonly reader: Runner & Pick<Database<Tables>, "settled">;
  readonly execute: Execute;
  /** Where this process alone writes. */
  readonly versions?: VersionCache | undefined;
};

/** The contract's methods; `opened` rejects while the database is away. */
export function metadataRpc(
  opened: () => Promise<Opened>,
  clock: Clock,
): ServiceImpl<typeof MetadataService> {
  const read = async <T>(
    work: (reader: Runner, versions: VersionCache | undefined) => Promise<T>,
  ): Promise<T> =>
    translate(async () => {
      const { reader, versions } = await opened();
      try {
        return await work(reader, versions);
      } finally {
        // Nothing visible is undone (I11); that something is not there any more is seen too.
        const settled = reader.settled();
        if (settled !== undefined) await settled;
      }
    });
  return {
    execute: ({ commands }) =>
      translate(async () => ({ outcomes: await (await opened()).execute.execute(commands) })),
    getBucket: ({ by }) =>
      read(async (reader) => ({
        bucket: bucketMessage(
          by.case === "bucketId"
            ? await bucketById(reader, by.value)
            : await bucketByName(reader, by.value ?? ""),
        ),
      })),
    listBuckets: (request) =>
      read(async (reader) => {
        const { buckets, more } = await listBuckets(reader, request);
        return { buckets: buckets.map(bucketMessage), more };
      }),
    getUsage: ({ bucketId }) =>
      read(async (reader) => {
        const { objects, sizeBytes } = await bucketUsage(reader, bucketId);
        return { usage: { objects: BigInt(objects), sizeBytes: BigInt(sizeBytes) } };
      }),
    getVersion: (request) => read((reader, versions) => knownOrRead(reader, versions, request)),
    listVersions: (request) =>
      read(async (reader) => {
        await bucketById(reader, request.bucketId);
        const { versions, ...rest } = await listVersions(reader, request);
        return { ...rest, versions: versions.map((row) => versionMessage(row, false)) };
      }),
    listUploads: (request) => read((reader) => listUploads(reader, request, clock.nowMs())),
    listParts: (request) => read((reader) => listParts(reader, request, clock.nowMs())),
    readChanges: (request) => read((reader) => readChanges(reader, request)),
    listNodes: () => read((reader) => listNodes(reader)),
    listCopies: (request) => read((reader) => listCopies(reader, request)),
    describeBlobs: ({ blobIds }) => read(async (reader) => ({ blobs: await describeBlobs(reader, blobIds) })),
    listWalks: () => read((reader) => listWalks(reader)),
    getQueues: () =>
      read(async (reader) => {
        const { repairs, repairs_waiting, deletes, purges } = await queueDepths(reader);
        return {
          repairs: BigInt(repairs),
          repairsWaiting: BigInt(repairs_waiting),
          deletes: BigInt(deletes),
          purges: BigInt(purges),
        };
      }),
    checkHistory: ({ remembered }) =>
      read(async (reader) => {
        const current = await currentPosition(reader);
        if (remembered === undefined)
          return { current, confirmed: false, detail: "No position was given to be confirmed." };
        const conflict = await historyConflict(reader, remembered, current);
        return { current, confirmed: conflict === undefined, detail: conflict ?? "" };
      }),
  };
}

async function knownOrRead(
  reader: Runner,
  versions: VersionCache | undefined,
  request: GetVersionRequest,
): Promise<MessageInitShape<typeof GetVersionResponseSchema>> {
  const known = versions?.find(request);
  if (known !== undefined || versions === undefined) return known ?? getVersion(reader, request);
  const { ticket } = versions;
  const answer = wholeMessage(
    GetVersionResponseSchema,
    await getVersion(reader, request),
  ) as GetVersionResponse;
  versions.keep(request, answer, ticket);
  return answer;
}

/** Callers know the metadata service, not its database; but that its disk is full is for an operator to mend. */
async function translate<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CairnError && error.reason === "DATABASE_UNAVAILABLE")
      throw new CairnError("METADATA_UNAVAILABLE", {
        cause: error,
        ...(codeOf(error.cause) === "SQLITE_FULL"
          ? { message: "The metadata database's disk is full." }
          : {}),
      });
    throw error;
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? "");
}
