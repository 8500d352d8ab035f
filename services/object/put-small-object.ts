import type { PutObjectFinish, PutObjectHeader } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import { newId } from "../common/ids/uuid";
import type { Call } from "../common/rpc/call";
import { digestsOf } from "./digests";
import type { ObjectInfoInit } from "./object-info";
import type { PutDependencies } from "./put-object";
import { checkedContent, putInfo, putVersion } from "./put-version";
import { writeSmallBlob } from "./write-small-blob";

/**
 * putObject for a body that is whole in memory: what is wrong with it is found before a byte goes to a node. Whatever
 * fails before the commit leaves nothing visible; what it wrote is left to orphan collection (P6).
 */
export async function putSmallObject(
  deps: PutDependencies,
  header: PutObjectHeader,
  body: Uint8Array,
  finish: PutObjectFinish,
  call: Call,
): Promise<ObjectInfoInit> {
  if (header.bucket === undefined)
    throw new CairnError("INVALID_ARGUMENT", { message: "The bucket is missing." });
  const content = checkedContent(digestsOf(body, header.algorithms), header, finish);
  const blob = body.length === 0 ? undefined : await writeSmallBlob(deps.write, call, newId(), body);
  const outcome = await deps.commits.decide(header.bucket, putVersion(header, content, blob), call);
  deps.metrics.bytesIn.inc(body.length);
  if (blob?.incomplete) deps.onIncomplete();
  return putInfo(header, content, outcome);
}
