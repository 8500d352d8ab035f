import { z } from "zod";
import { CairnError } from "../../common/errors/cairn-error";
import { newId } from "../../common/ids/uuid";
import { authoriseAdmin, authoriseUser } from "../auth/authorise";
import { defineRoute, type RestRoute } from "./route";
import { idParam, toUser, userSchema } from "./schemas";

const tag = "Users";
const params = z.object({ userId: idParam });

export const userRoutes: readonly RestRoute[] = [
  defineRoute({
    name: "ListUsers",
    tag,
    method: "get",
    path: "/users",
    summary: "All users, in name order",
    access: "Admins.",
    query: z.strictObject({
      after: z.string().max(64).default("").meta({ description: "Lists names greater than this." }),
      limit: z.coerce.number().int().min(1).max(1000).default(1000),
    }),
    status: 200,
    answer: z.object({ users: z.array(userSchema), more: z.boolean() }),
    async handle({ query, principal, call }, { identity }) {
      authoriseAdmin(principal);
      const page = await identity.listUsers({ afterName: query.after, limit: query.limit }, call);
      return { users: page.users.map(toUser), more: page.more };
    },
  }),
  defineRoute({
    name: "CreateUser",
    tag,
    method: "post",
    path: "/users",
    summary: "Make a user",
    access: "Admins.",
    body: z.strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9._@+-]{1,64}$/)
        .meta({ example: "alice" }),
      admin: z
        .boolean()
        .default(false)
        .meta({ description: "Admins reach every bucket and the whole admin API." }),
    }),
    status: 201,
    answer: userSchema,
    async handle({ body, principal, call }, { identity }) {
      authoriseAdmin(principal);
      const { user } = await identity.createUser(
        { userId: newId(), name: body.name, admin: body.admin },
        call,
      );
      if (user === undefined) throw new CairnError("INTERNAL");
      return toUser(user);
    },
  }),
  defineRoute({
    name: "GetUser",
    tag,
    method: "get",
    path: "/users/{userId}",
    summary: "One user",
    access: "Admins, and the user with an admin key of their own.",
    params,
    status: 200,
    answer: userSchema,
    async handle({ params, principal, call }, { identity }) {
      authoriseUser(principal, params.userId);
      const { user } = await identity.getUser({ userId: params.userId }, call);
      if (user === undefined) throw new CairnError("NO_SUCH_USER", { resource: params.userId });
      return toUser(user);
    },
  }),
  defineRoute({
    name: "DeleteUser",
    tag,
    method: "delete",
    path: "/users/{userId}",
    summary: "Delete a user with all keys; the buckets stay, and only admins reach them",
    access: "Admins.",
    params,
    status: 204,
    async handle({ params, principal, call }, { identity }) {
      authoriseAdmin(principal);
      await identity.deleteUser({ userId: params.userId }, call);
    },
  }),
];
