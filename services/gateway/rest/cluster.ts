import { z } from "zod";
import { authoriseAdmin } from "../auth/authorise";
import { queuesSchema, toQueues } from "./healing";
import { defineRoute, type RestRoute } from "./route";

const tag = "Cluster";

const nodeSchema = z
  .object({
    id: z.string(),
    address: z.string(),
    zone: z.string(),
    alive: z.boolean().meta({ description: "Answered its last heartbeat in time." }),
    volumes: z.array(
      z.object({
        id: z.string(),
        state: z.string().meta({ description: "online, full, suspended or fenced." }),
        capacityBytes: z.number(),
        freeBytes: z.number(),
        blobs: z.number(),
        deleteHold: z.string().meta({ description: "Empty when deletes are taken; else why not." }),
        draining: z.boolean().meta({ description: "Takes no new blobs and is being emptied." }),
        removed: z.boolean(),
      }),
    ),
  })
  .meta({ id: "Node" });

export const clusterRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "ListNodes",
    tag,
    method: "get",
    path: "/nodes",
    summary: "Storage nodes and their volumes",
    access: "Admins.",
    status: 200,
    answer: z.object({ nodes: z.array(nodeSchema) }),
    async handle({ principal, call }, { objects }) {
      authoriseAdmin(principal);
      const { nodes } = await objects.getCluster({}, call);
      return {
        nodes: nodes.map((node) => ({
          id: node.nodeId,
          address: node.address,
          zone: node.zone,
          alive: node.alive,
          volumes: node.volumes.map((volume) => ({
            id: volume.volumeId,
            state: volume.state,
            capacityBytes: Number(volume.capacityBytes),
            freeBytes: Number(volume.freeBytes),
            blobs: Number(volume.blobs),
            deleteHold: volume.deleteHold,
            draining: volume.draining,
            removed: volume.removed,
          })),
        })),
      };
    },
  }),
  defineRoute({
    name: "GetQueues",
    tag,
    method: "get",
    path: "/queues",
    summary: "Work that waits: copies to repair, copies to delete, deleted buckets to purge",
    access: "Admins.",
    status: 200,
    answer: queuesSchema,
    async handle({ principal, call }, { objects }) {
      authoriseAdmin(principal);
      const { queues } = await objects.getCluster({}, call);
      return toQueues(queues);
    },
  }),
];
