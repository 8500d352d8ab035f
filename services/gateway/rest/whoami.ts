import { z } from "zod";
import { defineRoute, type RestRoute } from "./route";
import { grantFields, permissionNames, permissionSchema, rateLimitInWords, toIso } from "./schemas";

const tag = "Callers";

const meaning = {
  read: "Read and list objects, see buckets.",
  write: "Write, copy and delete objects, make and delete buckets.",
  admin: "All of that, and the keys of one's own user; with an admin user's key the whole admin API.",
} as const;

export const callerRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "WhoAmI",
    tag,
    method: "get",
    path: "/whoami",
    summary: "Who the caller is and what the key may do",
    access: "Every key.",
    status: 200,
    answer: z
      .object({
        userId: z.string(),
        userName: z.string(),
        admin: z.boolean(),
        keyId: z.string(),
        ...grantFields,
        expiresAt: z.string().nullable(),
        requestsPerMinute: z.int(),
        rateLimit: z.string(),
      })
      .meta({ id: "Caller" }),
    async handle({ principal }) {
      return {
        userId: principal.userId,
        userName: principal.userName,
        admin: principal.admin,
        keyId: principal.keyId,
        permissions: permissionNames(principal.grant),
        buckets: principal.grant?.buckets ?? [],
        expiresAt: principal.expiresAtMs === 0n ? null : toIso(principal.expiresAtMs),
        requestsPerMinute: principal.requestsPerMinute,
        rateLimit: rateLimitInWords(principal.requestsPerMinute),
      };
    },
  }),
  defineRoute({
    name: "ListPermissions",
    tag,
    method: "get",
    path: "/permissions",
    summary: "The permissions that a key can have, and what they mean",
    access: "Every key.",
    status: 200,
    answer: z.object({ permissions: z.array(z.object({ name: permissionSchema, meaning: z.string() })) }),
    async handle() {
      return { permissions: permissionSchema.options.map((name) => ({ name, meaning: meaning[name] })) };
    },
  }),
];
