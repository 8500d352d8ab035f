import { z } from "zod";
import type { HealingWalk, Queues } from "../../../gen/cairn/object/v1/object_pb";
import { authoriseAdmin } from "../auth/authorise";
import { checkBucketName } from "../auth/bucket-lookup";
import { parseKey } from "../http/raw-target";
import { bucketRef } from "../s3/s3-operation";
import { defineRoute, type RestRoute } from "./route";
import { idParam, toIso } from "./schemas";

const tag = "Healing";
const volumeIds = z.object({ volumeIds: z.array(z.string()) });
const nodeOrVolume = idParam.meta({ description: "A node's or a volume's id." });

export const queuesSchema = z
  .object({
    repairs: z.number(),
    repairsWaiting: z
      .number()
      .meta({ description: "Of these, those that failed and are tried again later." }),
    deletes: z.number(),
    purges: z.number(),
  })
  .meta({ id: "Queues" });

const walkSchema = z
  .object({
    kind: z.string().meta({ description: "scrub, drain or rebalance." }),
    volumeId: z.string(),
    running: z.boolean(),
    checked: z.number(),
    changed: z.number().meta({ description: "Copies moved, or found bad." }),
    waiting: z.number().meta({ description: "Copies that could not be moved now and are tried again." }),
    bytes: z.number(),
    total: z.number().meta({ description: "Copies on the volume when the walk was last saved." }),
    startedAt: z.string(),
    updatedAt: z.string(),
    finishedAt: z.string().nullable().meta({ description: "null: never through yet." }),
    dueAt: z.string().nullable().meta({ description: "null: not again." }),
    perSecond: z
      .number()
      .nullable()
      .meta({ description: "Copies a second since it began; null when unknown." }),
    remainingSeconds: z.number().nullable().meta({ description: "At that rate; null when unknown." }),
  })
  .meta({ id: "HealingWalk" });

/** Draining, removing, rebalancing, scrubbing and verifying, and how far they are. */
export const healingRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "Drain",
    tag,
    method: "post",
    path: "/drain",
    summary: "Empty a node or a volume: it takes no new blobs, its copies are moved; or take that back",
    access: "Admins.",
    body: z.strictObject({ id: nodeOrVolume, cancel: z.boolean().default(false) }),
    status: 200,
    answer: volumeIds,
    async handle({ principal, call, body }, { objects }) {
      authoriseAdmin(principal);
      return { volumeIds: (await objects.drain(body, call)).volumeIds };
    },
  }),
  defineRoute({
    name: "Remove",
    tag,
    method: "post",
    path: "/remove",
    summary: "Forget a node's volumes, or one, for good: when they are empty, or lost and not coming back",
    access: "Admins.",
    body: z.strictObject({
      id: nodeOrVolume,
      lost: z
        .boolean()
        .default(false)
        .meta({ description: "What it held is repaired from the other copies." }),
    }),
    status: 200,
    answer: volumeIds,
    async handle({ principal, call, body }, { objects }) {
      authoriseAdmin(principal);
      return { volumeIds: (await objects.remove(body, call)).volumeIds };
    },
  }),
  defineRoute({
    name: "Rebalance",
    tag,
    method: "post",
    path: "/rebalance",
    summary: "Begin to move copies to where placement wants them",
    access: "Admins.",
    status: 204,
    async handle({ principal, call }, { objects }) {
      authoriseAdmin(principal);
      await objects.rebalance({}, call);
    },
  }),
  defineRoute({
    name: "Scrub",
    tag,
    method: "post",
    path: "/scrub",
    summary: "Begin to read everything of a node or a volume, or of all, now",
    access: "Admins.",
    body: z.strictObject({ id: nodeOrVolume.optional() }),
    status: 200,
    answer: volumeIds,
    async handle({ principal, call, body }, { objects }) {
      authoriseAdmin(principal);
      return { volumeIds: (await objects.scrub({ id: body.id ?? "" }, call)).volumeIds };
    },
  }),
  defineRoute({
    name: "AcceptHistory",
    tag,
    method: "post",
    path: "/accept-history",
    summary:
      "Say that the metadata's history is the true one: volumes that followed another take its deletes",
    access: "Admins.",
    body: z.strictObject({ id: nodeOrVolume.optional() }),
    status: 200,
    answer: volumeIds,
    async handle({ principal, call, body }, { objects }) {
      authoriseAdmin(principal);
      return { volumeIds: (await objects.acceptHistory({ id: body.id ?? "" }, call)).volumeIds };
    },
  }),
  defineRoute({
    name: "GetHealing",
    tag,
    method: "get",
    path: "/healing",
    summary: "How far drains, rebalances and scrubs are, and how much waits for repair",
    access: "Admins.",
    status: 200,
    answer: z.object({ walks: z.array(walkSchema), queues: queuesSchema }).meta({ id: "Healing" }),
    async handle({ principal, call }, { objects }) {
      authoriseAdmin(principal);
      const { walks, queues } = await objects.getHealing({}, call);
      return { walks: walks.map(toWalk), queues: toQueues(queues) };
    },
  }),
  defineRoute({
    name: "VerifyVolume",
    tag,
    method: "post",
    path: "/volumes/{id}/verify",
    summary: "Compare one page of a volume's copies with the metadata, both ways",
    access: "Admins.",
    params: z.object({ id: idParam }),
    body: z.strictObject({
      after: z.string().max(36).default("").meta({ description: "The former page's `next`." }),
      deep: z.boolean().default(false).meta({ description: "Read every copy whole, too." }),
      fix: z
        .boolean()
        .default(false)
        .meta({ description: "What is wrong goes to repair; old orphans are collected." }),
      limit: z.int().min(1).max(1000).default(1000),
    }),
    status: 200,
    answer: z.object({
      checked: z.number(),
      bytes: z.number(),
      findings: z.array(
        z.object({
          blobId: z.string(),
          what: z.string().meta({ description: "missing, damaged, unnamed or few-copies." }),
          done: z.string().meta({ description: "queued, condemned or nothing." }),
        }),
      ),
      next: z.string().nullable(),
    }),
    async handle({ principal, call, params, body }, { objects }) {
      authoriseAdmin(principal);
      const { after: afterBlobId, deep, fix, limit } = body;
      const page = await objects.verifyVolume({ volumeId: params.id, afterBlobId, deep, fix, limit }, call);
      return {
        checked: Number(page.checked),
        bytes: Number(page.bytes),
        findings: page.findings.map(({ blobId, what, done }) => ({ blobId, what, done })),
        next: page.more ? page.nextAfterBlobId : null,
      };
    },
  }),
  defineRoute({
    name: "LocateObject",
    tag,
    method: "get",
    path: "/buckets/{name}/locate",
    summary: "On which nodes and volumes the bytes of an object lie",
    access: "Admins.",
    params: z.object({ name: z.string().max(255) }),
    query: z.strictObject({ key: z.string(), versionId: z.string().max(64).default("") }),
    status: 200,
    answer: z
      .object({
        key: z.string(),
        sizeBytes: z.number(),
        etag: z.string(),
        blobs: z.array(
          z.object({
            blobId: z.string(),
            sizeBytes: z.number(),
            copies: z.array(
              z.object({
                volumeId: z.string(),
                nodeId: z.string(),
                address: z.string(),
                zone: z.string(),
                state: z.string().meta({ description: "good or bad." }),
                alive: z.boolean(),
              }),
            ),
          }),
        ),
      })
      .meta({ id: "ObjectPlaces" }),
    async handle({ principal, call, params, query }, { buckets, objects }) {
      authoriseAdmin(principal);
      checkBucketName(params.name);
      const { bucket } = await buckets.getBucket({ name: params.name }, call);
      const found = await objects.locateObject(
        {
          ...(bucket === undefined ? {} : { bucket: bucketRef(bucket) }),
          key: parseKey(encodeURIComponent(query.key)),
          versionId: query.versionId,
        },
        call,
      );
      return {
        key: query.key,
        sizeBytes: Number(found.info?.sizeBytes ?? 0n),
        etag: found.info?.etag ?? "",
        blobs: found.blobs.map(({ blobId, sizeBytes, copies }) => ({
          blobId,
          sizeBytes: Number(sizeBytes),
          copies: copies.map(({ volumeId, nodeId, address, zone, state, alive }) => ({
            ...{ volumeId, nodeId, address, zone, state, alive },
          })),
        })),
      };
    },
  }),
];

export function toQueues(queues: Queues | undefined): z.infer<typeof queuesSchema> {
  return {
    repairs: Number(queues?.repairs ?? 0n),
    repairsWaiting: Number(queues?.repairsWaiting ?? 0n),
    deletes: Number(queues?.deletes ?? 0n),
    purges: Number(queues?.purges ?? 0n),
  };
}

function toWalk(walk: HealingWalk): z.infer<typeof walkSchema> {
  const { kind, volumeId, running } = walk;
  const [checked, total] = [Number(walk.checked), Number(walk.total)];
  const seconds = Number(walk.updatedAtMs - walk.startedAtMs) / 1000;
  const perSecond = seconds > 0 && checked > 0 ? checked / seconds : null;
  const orNull = (ms: bigint) => (ms === 0n ? null : toIso(ms));
  return {
    ...{ kind, volumeId, running, checked, total },
    changed: Number(walk.changed),
    waiting: Number(walk.waiting),
    bytes: Number(walk.bytes),
    startedAt: toIso(walk.startedAtMs),
    updatedAt: toIso(walk.updatedAtMs),
    finishedAt: orNull(walk.finishedAtMs),
    dueAt: orNull(walk.dueAtMs),
    perSecond,
    remainingSeconds: perSecond === null ? null : Math.max(0, total - checked) / perSecond,
  };
}
