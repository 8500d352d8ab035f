import { z } from "zod";
import { CairnError } from "../../common/errors/cairn-error";
import { authoriseUser, isFullAdmin } from "../auth/authorise";
import { defineRoute, type RestRoute } from "./route";
import { idParam, s3KeyPairSchema, toS3KeyPair } from "./schemas";

const tag = "S3 key pairs";
const access = "Admins, and the user with an admin key of their own.";
const params = z.object({ userId: idParam });

export const s3KeyPairRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "ListS3KeyPairs",
    tag,
    method: "get",
    path: "/users/{userId}/s3-key-pairs",
    summary: "A user's S3 key pairs, without their secrets",
    access,
    params,
    status: 200,
    answer: z.object({ keyPairs: z.array(s3KeyPairSchema) }),
    async handle({ params, principal, call }, { identity }) {
      authoriseUser(principal, params.userId);
      const { keyPairs } = await identity.listS3KeyPairs({ userId: params.userId }, call);
      return { keyPairs: keyPairs.map(toS3KeyPair) };
    },
  }),
  defineRoute({
    name: "CreateS3KeyPair",
    tag,
    method: "post",
    path: "/users/{userId}/s3-key-pairs",
    summary: "Make an S3 key pair; its secret is in this answer and nowhere else",
    access,
    params,
    body: z.strictObject({ name: z.string().min(1).max(64) }),
    status: 201,
    answer: z
      .object({
        keyPair: s3KeyPairSchema,
        secretAccessKey: z.string().meta({ description: "Shown this once." }),
      })
      .meta({ id: "S3KeyPairWithSecret" }),
    async handle({ params, body, principal, call }, { identity }) {
      authoriseUser(principal, params.userId);
      const made = await identity.createS3KeyPair({ userId: params.userId, name: body.name }, call);
      if (made.keyPair === undefined) throw new CairnError("INTERNAL");
      return { keyPair: toS3KeyPair(made.keyPair), secretAccessKey: made.secretAccessKey };
    },
  }),
  defineRoute({
    name: "RevokeS3KeyPair",
    tag,
    method: "delete",
    path: "/s3-key-pairs/{accessKeyId}",
    summary: "Revoke an S3 key pair",
    access,
    params: z.object({ accessKeyId: z.string().regex(/^[A-Za-z0-9]{1,128}$/) }),
    status: 200,
    answer: s3KeyPairSchema,
    async handle({ params, principal, call }, { identity }) {
      if (!isFullAdmin(principal)) {
        authoriseUser(principal, principal.userId);
        const { keyPairs } = await identity.listS3KeyPairs({ userId: principal.userId }, call);
        if (!keyPairs.some((pair) => pair.accessKeyId === params.accessKeyId)) {
          throw new CairnError("ACCESS_DENIED", {
            message: "The key pair is not one of yours.",
            resource: params.accessKeyId,
          });
        }
      }
      const { keyPair } = await identity.revokeS3KeyPair({ accessKeyId: params.accessKeyId }, call);
      if (keyPair === undefined) throw new CairnError("NO_SUCH_KEY", { resource: params.accessKeyId });
      return toS3KeyPair(keyPair);
    },
  }),
];
