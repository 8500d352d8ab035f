import { z } from "zod";
import {
  type ApiKey,
  type Grant,
  Permission,
  type S3KeyPair,
  type User,
} from "../../../gen/cairn/identity/v1/identity_pb";

/** The shapes of the admin API, and how messages become them. */

export const idParam = z
  .uuid()
  .meta({ description: "A UUID.", example: "01932c07-2a4b-7d3e-9f10-8a6b5c4d3e2f" });
const time = z.string().meta({ description: "ISO 8601, UTC.", example: "2026-11-23T22:00:00.000Z" });
const keyName = z.string().min(1).max(64);

export const permissionSchema = z.enum(["read", "write", "admin"]);

const permissionValues = { read: Permission.READ, write: Permission.WRITE, admin: Permission.ADMIN } as const;

export const grantFields = {
  permissions: z
    .array(permissionSchema)
    .min(1)
    .max(3)
    .meta({ description: "What the key may do; admin includes all." }),
  buckets: z
    .array(z.string().min(3).max(63))
    .max(100)
    .meta({ description: "Buckets that the key is limited to; empty is all that its user may reach." }),
};

export const keySettings = z.strictObject({
  name: keyName,
  permissions: grantFields.permissions.default(["read", "write"]),
  buckets: grantFields.buckets.default([]),
  expiresAt: z.iso
    .datetime({ offset: true })
    .nullable()
    .default(null)
    .meta({ description: "null is never." }),
  requestsPerMinute: z
    .int()
    .min(-1)
    .max(2 ** 31 - 1)
    .default(0)
    .meta({
      description: "Requests a minute of its own; 0 is the limit by address, -1 none. Only admins set it.",
    }),
});

export const userSchema = z
  .object({ id: z.string(), name: z.string(), admin: z.boolean(), createdAt: time })
  .meta({ id: "User" });

export const keySchema = z
  .object({
    id: z.string(),
    userId: z.string(),
    name: z.string(),
    ...grantFields,
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable().meta({ description: "Within a minute of the truth." }),
    revokedAt: time.nullable(),
    requestsPerMinute: z.int(),
    rateLimit: z
      .string()
      .meta({ description: "The same in words.", example: "the limit of the caller's address" }),
  })
  .meta({ id: "ApiKey" });

export const keyWithTextSchema = z
  .object({
    key: keySchema,
    text: z.string().meta({ description: "The key itself. It is shown this once." }),
  })
  .meta({ id: "ApiKeyWithText" });

export const s3KeyPairSchema = z
  .object({
    accessKeyId: z.string(),
    userId: z.string(),
    name: z.string(),
    createdAt: time,
    revokedAt: time.nullable(),
    rateLimit: z.string(),
  })
  .meta({ id: "S3KeyPair" });

export const errorSchema = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      resource: z.string(),
      requestId: z.string(),
      hint: z.string().optional(),
    }),
  })
  .meta({ id: "Error" });

export function toIso(ms: bigint): string {
  return new Date(Number(ms)).toISOString();
}

function toIsoOrNull(ms: bigint): string | null {
  return ms === 0n ? null : toIso(ms);
}

export function permissionNames(grant: Grant | undefined): z.infer<typeof permissionSchema>[] {
  return permissionSchema.options.filter((name) => grant?.permissions.includes(permissionValues[name]));
}

export function toUser(user: User): z.infer<typeof userSchema> {
  return { id: user.id, name: user.name, admin: user.admin, createdAt: toIso(user.createdAtMs) };
}

export function toKey(key: ApiKey): z.infer<typeof keySchema> {
  return {
    id: key.id,
    userId: key.userId,
    name: key.name,
    permissions: permissionNames(key.grant),
    buckets: key.grant?.buckets ?? [],
    createdAt: toIso(key.createdAtMs),
    expiresAt: toIsoOrNull(key.expiresAtMs),
    lastUsedAt: toIsoOrNull(key.lastUsedAtMs),
    revokedAt: toIsoOrNull(key.revokedAtMs),
    requestsPerMinute: key.requestsPerMinute,
    rateLimit: rateLimitInWords(key.requestsPerMinute),
  };
}

export function toS3KeyPair(pair: S3KeyPair): z.infer<typeof s3KeyPairSchema> {
  return {
    accessKeyId: pair.accessKeyId,
    userId: pair.userId,
    name: pair.name,
    createdAt: toIso(pair.createdAtMs),
    revokedAt: toIsoOrNull(pair.revokedAtMs),
    rateLimit: rateLimitInWords(-1),
  };
}

export function rateLimitInWords(requestsPerMinute: number): string {
  if (requestsPerMinute < 0) return "none";
  if (requestsPerMinute === 0) return "the limit of the caller's address";
  return `${requestsPerMinute} requests a minute`;
}

/** The settings of a key as the identity service takes them. */
export function toKeySettings(settings: z.output<typeof keySettings>) {
  return {
    name: settings.name,
    grant: {
      permissions: [...new Set(settings.permissions)].map((name) => permissionValues[name]),
      buckets: [...new Set(settings.buckets)],
    },
    expiresAtMs: settings.expiresAt === null ? 0n : BigInt(Date.parse(settings.expiresAt)),
    requestsPerMinute: settings.requestsPerMinute,
  };
}
