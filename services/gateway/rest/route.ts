import type { z } from "zod";
import type { BucketService } from "../../../gen/cairn/bucket/v1/bucket_pb";
import type { IdentityService, Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import type { ObjectService } from "../../../gen/cairn/object/v1/object_pb";
import type { Call } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";

/** What the admin API works with. */
export type RestContext = {
  readonly identity: ServiceClient<typeof IdentityService>;
  readonly buckets: ServiceClient<typeof BucketService>;
  readonly objects: ServiceClient<typeof ObjectService>;
};

export type RestInput<Params, Query, Body> = {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly principal: Principal;
  readonly call: Call;
};

/** One operation of the admin API: what serves it and what describes it come from the same schemas. */
export type RestRoute = {
  /** In logs, metrics and as operationId. */
  readonly name: string;
  readonly tag: string;
  readonly method: "get" | "post" | "put" | "delete";
  /** Under /_/api/v1, with parameters in braces. */
  readonly path: string;
  readonly summary: string;
  /** Who may: shown in the description; the handler decides. */
  readonly access: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  readonly status: 200 | 201 | 204;
  readonly answer?: z.ZodType;
  // biome-ignore lint/suspicious/noExplicitAny: defineRoute gives the handler its types
  handle(input: RestInput<any, any, any>, context: RestContext): Promise<unknown>;
};

type Shape<S> = S extends z.ZodType ? z.output<S> : undefined;

/** Checks that a handler fits its schemas. */
export function defineRoute<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodObject | undefined = undefined,
  A extends z.ZodType | undefined = undefined,
>(
  route: Omit<RestRoute, "params" | "query" | "body" | "answer" | "handle"> & {
    params?: P;
    query?: Q;
    body?: B;
    answer?: A;
    handle(
      input: RestInput<Shape<P>, Shape<Q>, Shape<B>>,
      context: RestContext,
    ): Promise<A extends z.ZodType ? z.input<A> : void>;
  },
): RestRoute {
  return route as RestRoute;
}
