import { z } from "zod";
import type { Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import type { Call } from "../../common/rpc/call";
import { authoriseUser, isFullAdmin } from "../auth/authorise";
import { defineRoute, type RestContext, type RestRoute } from "./route";
import { idParam, keySchema, keySettings, keyWithTextSchema, toKey, toKeySettings } from "./schemas";

const tag = "Keys";
const access = "Admins, and the user with an admin key of their own.";
const ofUser = z.object({ userId: idParam });
const ofKey = z.object({ keyId: idParam });

export const keyRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "ListKeys",
    tag,
    method: "get",
    path: "/users/{userId}/keys",
    summary: "A user's keys, revoked ones too, without their texts",
    access,
    params: ofUser,
    status: 200,
    answer: z.object({ keys: z.array(keySchema) }),
    async handle({ params, principal, call }, { identity }) {
      authoriseUser(principal, params.userId);
      const { keys } = await identity.listApiKeys({ userId: params.userId }, call);
      return { keys: keys.map(toKey) };
    },
  }),
  defineRoute({
    name: "CreateKey",
    tag,
    method: "post",
    path: "/users/{userId}/keys",
    summary: "Make a key; its text is in this answer and nowhere else",
    access,
    params: ofUser,
    body: keySettings,
    status: 201,
    answer: keyWithTextSchema,
    async handle({ params, body, principal, call }, { identity }) {
      authoriseUser(principal, params.userId);
      authoriseQuota(principal, body.requestsPerMinute);
      return withText(await identity.createApiKey({ userId: params.userId, ...toKeySettings(body) }, call));
    },
  }),
  defineRoute({
    name: "UpdateKey",
    tag,
    method: "put",
    path: "/keys/{keyId}",
    summary: "Replace a key's name, permissions, buckets, expiry and quota; in effect within 5 s",
    access,
    params: ofKey,
    body: keySettings,
    status: 200,
    answer: keySchema,
    async handle({ params, body, principal, call }, context) {
      await authoriseKey(principal, params.keyId, context, call);
      authoriseQuota(principal, body.requestsPerMinute);
      const { key } = await context.identity.updateApiKey(
        { keyId: params.keyId, ...toKeySettings(body) },
        call,
      );
      if (key === undefined) throw new CairnError("NO_SUCH_KEY", { resource: params.keyId });
      return toKey(key);
    },
  }),
  defineRoute({
    name: "RotateKey",
    tag,
    method: "post",
    path: "/keys/{keyId}/rotate",
    summary: "Give a key a new text; the former one stops within 5 s",
    access,
    params: ofKey,
    status: 200,
    answer: keyWithTextSchema,
    async handle({ params, principal, call }, context) {
      await authoriseKey(principal, params.keyId, context, call);
      return withText(await context.identity.rotateApiKey({ keyId: params.keyId }, call));
    },
  }),
  defineRoute({
    name: "RevokeKey",
    tag,
    method: "delete",
    path: "/keys/{keyId}",
    summary: "Revoke a key, everywhere within 5 s",
    access,
    params: ofKey,
    status: 200,
    answer: keySchema,
    async handle({ params, principal, call }, context) {
      await authoriseKey(principal, params.keyId, context, call);
      const { key } = await context.identity.revokeApiKey({ keyId: params.keyId }, call);
      if (key === undefined) throw new CairnError("NO_SUCH_KEY", { resource: params.keyId });
      return toKey(key);
    },
  }),
];

function withText(
  answer:
    | Awaited<ReturnType<RestContext["identity"]["createApiKey"]>>
    | Awaited<ReturnType<RestContext["identity"]["rotateApiKey"]>>,
) {
  if (answer.key === undefined) throw new CairnError("INTERNAL");
  return { key: toKey(answer.key), text: answer.text };
}

/** Whoever is no admin manages the keys that they own; whether another key exists is not told. */
async function authoriseKey(
  principal: Principal,
  keyId: string,
  { identity }: RestContext,
  call: Call,
): Promise<void> {
  if (isFullAdmin(principal)) return;
  authoriseUser(principal, principal.userId);
  const { keys } = await identity.listApiKeys({ userId: principal.userId }, call);
  if (!keys.some((key) => key.id === keyId)) {
    throw new CairnError("ACCESS_DENIED", { message: "The key is not one of yours.", resource: keyId });
  }
}

/** A user who could set quotas could free themselves of the rate limit. */
function authoriseQuota(principal: Principal, requestsPerMinute: number): void {
  if (requestsPerMinute === 0 || isFullAdmin(principal)) return;
  throw new CairnError("ACCESS_DENIED", { message: "Only an admin may set a key's requestsPerMinute." });
}
