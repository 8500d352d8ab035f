import type { IncomingHttpHeaders } from "node:http";
import { CairnError } from "../../common/errors/cairn-error";
import type { Query, RawTarget } from "../http/raw-target";
import { copyObject } from "./copy-object";
import { createBucket } from "./create-bucket";
import { deleteBucket } from "./delete-bucket";
import { deleteObject } from "./delete-object";
import { deleteObjects } from "./delete-objects";
import { getObject } from "./get-object";
import { headBucket } from "./head-bucket";
import { headObject } from "./head-object";
import { listBuckets } from "./list-buckets";
import { listObjects } from "./list-objects";
import { putObject } from "./put-object";
import type { S3Operation } from "./s3-operation";

type Scope = "service" | "bucket" | "object";

/** Every operation by what its path names and its method. */
const table: Readonly<Record<Scope, Readonly<Record<string, S3Operation>>>> = {
  service: { GET: listBuckets },
  bucket: {
    PUT: createBucket,
    GET: listObjects,
    HEAD: headBucket,
    DELETE: deleteBucket,
    POST: deleteObjects,
  },
  object: { PUT: putObject, GET: getObject, HEAD: headObject, DELETE: deleteObject },
};

export const s3Operations: readonly S3Operation[] = [
  ...Object.values(table).flatMap((methods) => Object.values(methods)),
  copyObject,
];

/**
 * The operation that a request asks for. A query parameter that the operation does not understand makes it another
 * operation, one that we do not have: never is a sub-resource answered as if it were plain.
 * Errors: NOT_IMPLEMENTED, METHOD_NOT_ALLOWED.
 */
export function routeS3(method: string, target: RawTarget, headers: IncomingHttpHeaders): S3Operation {
  const scope: Scope = target.key !== undefined ? "object" : target.bucket !== "" ? "bucket" : "service";
  const operation = table[scope][method];
  if (operation === undefined) {
    // POST on an object is multipart's and select's, both with a query; without one nothing is meant by it.
    if (method === "POST" && scope === "object" && target.query.size > 0)
      throw notImplemented(method, scope, target.query);
    throw new CairnError("METHOD_NOT_ALLOWED", {
      message: `${method.slice(0, 16)} is not allowed on ${scope === "service" ? "the root" : `a${scope === "object" ? "n" : ""} ${scope}`}.`,
      params: { allow: Object.keys(table[scope]).join(", ") },
    });
  }
  const asked =
    operation === putObject && headers["x-amz-copy-source"] !== undefined ? copyObject : operation;
  for (const name of target.query.keys()) {
    if (!asked.query.includes(name) && !isIgnored(name)) throw notImplemented(method, scope, target.query);
  }
  if (asked === deleteObjects && !target.query.has("delete")) {
    throw new CairnError("NOT_IMPLEMENTED", {
      message: "Uploads by HTML form are not implemented.",
      hint: "Use PUT.",
    });
  }
  return asked;
}

/** SDKs add their name of the operation; presigning adds what authentication reads. */
function isIgnored(name: string): boolean {
  return name === "x-id" || name.startsWith("X-Amz-");
}

function notImplemented(method: string, scope: Scope, query: Query): CairnError {
  const names = [...query.keys()].map((name) => name.slice(0, 64)).join(", ");
  return new CairnError("NOT_IMPLEMENTED", {
    message: `${method} on ${scope === "object" ? "an object" : scope === "bucket" ? "a bucket" : "the root"} with the parameters ${names} is not implemented.`,
  });
}
