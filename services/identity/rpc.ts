import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ApiKeySchema,
  type Grant as GrantMessage,
  type IdentityService,
  Permission as PermissionEnum,
  type S3KeyPairSchema,
  type UserSchema,
} from "../../gen/cairn/identity/v1/identity_pb";
import type { ServiceImpl } from "../common/rpc/service";
import type { ApiKeys } from "./api-keys";
import type { Authentication } from "./authentication";
import type { ApiKey, ApiKeySettings, Grant, Permission, S3KeyPair, User } from "./domain";
import type { Rates } from "./rates";
import type { S3KeyPairs } from "./s3-key-pairs";
import type { Users } from "./users";

/** What the contract is answered from, once the database was there. */
export type Identity = {
  readonly authentication: Authentication;
  readonly users: Users;
  readonly apiKeys: ApiKeys;
  readonly s3KeyPairs: S3KeyPairs;
  readonly tokenKey: Buffer;
};

/** The contract over the logic. `identity` throws while the database has not been there yet; rates need none. */
export function identityRpc(identity: () => Identity, rates: Rates): ServiceImpl<typeof IdentityService> {
  return {
    authenticate: async (request) => {
      const { key, user, cacheTtlMs } = await identity().authentication.authenticate(
        request.apiKey,
        request.sourceIp,
      );
      return {
        principal: {
          userId: user.id,
          userName: user.name,
          admin: user.admin,
          keyId: key.id,
          grant: fromGrant(key.grant),
          expiresAtMs: BigInt(key.expiresAtMs),
          requestsPerMinute: key.requestsPerMinute,
        },
        cacheTtlMs: BigInt(Math.floor(cacheTtlMs)),
      };
    },

    createUser: async ({ userId, name, admin }) => ({
      user: fromUser(await identity().users.create({ id: userId, name, admin })),
    }),
    getUser: async ({ userId }) => ({ user: fromUser(await identity().users.get(userId)) }),
    listUsers: async ({ afterName, limit }) => {
      const { users, more } = await identity().users.list(afterName, limit);
      return { users: users.map(fromUser), more };
    },
    deleteUser: async ({ userId }) => {
      await identity().users.delete(userId);
      return {};
    },

    createApiKey: async (request) => {
      const { key, text } = await identity().apiKeys.create(request.userId, toSettings(request));
      return { key: fromApiKey(key), text };
    },
    listApiKeys: async ({ userId }) => ({ keys: (await identity().apiKeys.list(userId)).map(fromApiKey) }),
    rotateApiKey: async ({ keyId }) => {
      const { key, text } = await identity().apiKeys.rotate(keyId);
      return { key: fromApiKey(key), text };
    },
    updateApiKey: async (request) => ({
      key: fromApiKey(await identity().apiKeys.update(request.keyId, toSettings(request))),
    }),
    revokeApiKey: async ({ keyId }) => ({ key: fromApiKey(await identity().apiKeys.revoke(keyId)) }),

    createS3KeyPair: async ({ userId, name }) => {
      const { pair, secret } = await identity().s3KeyPairs.create(userId, name);
      return { keyPair: fromS3KeyPair(pair), secretAccessKey: secret };
    },
    listS3KeyPairs: async ({ userId }) => ({
      keyPairs: (await identity().s3KeyPairs.list(userId)).map(fromS3KeyPair),
    }),
    revokeS3KeyPair: async ({ accessKeyId }) => ({
      keyPair: fromS3KeyPair(await identity().s3KeyPairs.revoke(accessKeyId)),
    }),

    getTokenKey: async () => ({ key: identity().tokenKey }),

    reportRates: async ({ counts }) => {
      const sums = rates.add(
        counts.map(({ subject, window, requests }) => ({ subject, window: Number(window), requests })),
      );
      return {
        sums: sums.map(({ subject, window, requests }) => ({ subject, window: BigInt(window), requests })),
      };
    },
  };
}

const permissionEnums: Record<Permission, PermissionEnum> = {
  read: PermissionEnum.READ,
  write: PermissionEnum.WRITE,
  admin: PermissionEnum.ADMIN,
};
const permissions = Object.keys(permissionEnums) as Permission[];

function fromGrant(grant: Grant) {
  return {
    permissions: grant.permissions.map((permission) => permissionEnums[permission]),
    buckets: [...grant.buckets],
  };
}

/** The rules of the contract have it that a grant is there and names each permission once. */
function toGrant(grant: GrantMessage | undefined): Grant {
  const named = grant?.permissions ?? [];
  return {
    permissions: permissions.filter((permission) => named.includes(permissionEnums[permission])),
    buckets: grant?.buckets ?? [],
  };
}

function toSettings(request: {
  name: string;
  grant?: GrantMessage | undefined;
  expiresAtMs: bigint;
  requestsPerMinute: number;
}): ApiKeySettings {
  const { name, requestsPerMinute } = request;
  return { name, grant: toGrant(request.grant), expiresAtMs: Number(request.expiresAtMs), requestsPerMinute };
}

function fromUser(user: User): MessageInitShape<typeof UserSchema> {
  return { id: user.id, name: user.name, admin: user.admin, createdAtMs: BigInt(user.createdAtMs) };
}

function fromApiKey(key: ApiKey): MessageInitShape<typeof ApiKeySchema> {
  return {
    id: key.id,
    userId: key.userId,
    name: key.name,
    grant: fromGrant(key.grant),
    createdAtMs: BigInt(key.createdAtMs),
    expiresAtMs: BigInt(key.expiresAtMs),
    lastUsedAtMs: BigInt(key.lastUsedAtMs),
    revokedAtMs: BigInt(key.revokedAtMs),
    requestsPerMinute: key.requestsPerMinute,
  };
}

function fromS3KeyPair(pair: S3KeyPair): MessageInitShape<typeof S3KeyPairSchema> {
  return {
    accessKeyId: pair.accessKeyId,
    userId: pair.userId,
    name: pair.name,
    createdAtMs: BigInt(pair.createdAtMs),
    revokedAtMs: BigInt(pair.revokedAtMs),
  };
}
