/**
 * DeleteObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
 * Up to 1,000 keys, each with an outcome of its own; Content-MD5 or x-amz-checksum-* of the body is checked when sent.
 * With Content-Type application/json the body is {"objects": [{"key": "…"}], "quiet": false}.
 * JSON answer: {deleted: [{key}], errors: [{key, code, message}]}. Left out: VersionId, ETag, Size conditions, MFA.
 */
import { createHash } from "node:crypto";
import { crc32, crc32c } from "@node-rs/crc32";
import { z } from "zod";
import type { DeleteObjectsResult } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { errorTable, isReason } from "../../common/errors/table";
import { type Answer, jsonAnswer, xmlAnswer } from "../answers/answer";
import { s3Namespace, XmlWriter } from "../answers/xml-writer";
import { parseJson } from "../body/parse-json";
import { parseXml } from "../body/parse-xml";
import { readSmallBody } from "../body/read-small-body";
import { checkKey } from "../http/raw-target";
import { claimedChecksums } from "./checksums";
import { bucketRef, type S3Operation, withBucket } from "./s3-operation";
import { refuseUnsupportedHeaders } from "./unsupported-headers";

const maxBodyBytes = 2 * 1024 * 1024;
const maxKeys = 1000;

type Wanted = { readonly keys: readonly string[]; readonly quiet: boolean };
type Outcome = { readonly key: string; readonly error?: { readonly code: string; readonly message: string } };

export const deleteObjects: S3Operation = {
  name: "DeleteObjects",
  query: ["delete"],
  async handle(exchange, context): Promise<Answer> {
    const { headers } = exchange.req;
    let body: Buffer | undefined;
    const outcomes: Outcome[] = [];
    let quiet = false;
    await withBucket(exchange, context, "write", async (bucket) => {
      if (body === undefined) {
        refuseUnsupportedHeaders(headers);
        const { claimed } = claimedChecksums(headers);
        body = await readSmallBody(exchange.body, maxBodyBytes);
        checkBody(body, claimed);
      }
      const wanted = parseWanted(body, headers["content-type"]);
      quiet = wanted.quiet;
      outcomes.length = 0;
      const good: { key: string }[] = [];
      for (const key of wanted.keys) {
        const error = keyError(key);
        if (error === undefined) good.push({ key });
        else outcomes.push({ key, error: { code: error.entry.s3, message: error.message } });
      }
      if (good.length === 0) return;
      const { results } = await context.objects.deleteObjects(
        { bucket: bucketRef(bucket), objects: good },
        exchange.call,
      );
      for (const result of results) outcomes.push(outcomeOf(result));
    });
    const deleted = quiet ? [] : outcomes.filter(({ error }) => error === undefined);
    const failed = outcomes.filter(({ error }) => error !== undefined);
    if (exchange.dialect === "json") {
      return jsonAnswer(200, {
        deleted: deleted.map(({ key }) => ({ key })),
        errors: failed.map(({ key, error }) => ({ key, ...error })),
      });
    }
    const xml = new XmlWriter().open("DeleteResult", s3Namespace);
    for (const { key } of deleted) xml.open("Deleted").element("Key", key).close();
    for (const { key, error } of failed) {
      xml
        .open("Error")
        .element("Key", key)
        .element("Code", error?.code)
        .element("Message", error?.message)
        .close();
    }
    return xmlAnswer(200, xml.end());
  },
};

function outcomeOf(result: DeleteObjectsResult): Outcome {
  const { key, error } = result;
  if (error === undefined) return { key };
  const code = isReason(error.reason) ? errorTable[error.reason].s3 : errorTable.INTERNAL.s3;
  return { key, error: { code, message: error.message } };
}

function keyError(key: string): CairnError | undefined {
  try {
    checkKey(key);
    return undefined;
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}

/** The keys that a body names. Errors: MALFORMED_JSON, MALFORMED_XML, NOT_IMPLEMENTED for versions. */
export function parseWanted(body: Buffer, contentType: string | undefined): Wanted {
  return /^application\/json\b/i.test(contentType ?? "") ? fromJson(body) : fromXml(body);
}

const jsonShape = z.strictObject({
  objects: z
    .array(z.strictObject({ key: z.string() }))
    .min(1)
    .max(maxKeys),
  quiet: z.boolean().default(false),
});

function fromJson(body: Buffer): Wanted {
  const parsed = jsonShape.safeParse(parseJson(body));
  if (!parsed.success) {
    throw new CairnError("MALFORMED_JSON", {
      message: `The body is not of the expected shape: ${z.prettifyError(parsed.error)}`,
      hint: 'Send {"objects": [{"key": "…"}], "quiet": false} with 1 to 1,000 objects.',
    });
  }
  return { keys: parsed.data.objects.map(({ key }) => key), quiet: parsed.data.quiet };
}

function fromXml(body: Buffer): Wanted {
  const root = parseXml(body);
  if (root.name !== "Delete") throw malformed(`Expected Delete, not ${root.name}.`);
  const keys: string[] = [];
  let quiet = false;
  for (const child of root.children) {
    if (child.name === "Quiet") quiet = child.text.trim() === "true";
    else if (child.name === "Object") {
      let key: string | undefined;
      for (const part of child.children) {
        if (part.name === "Key") key = part.text;
        else
          throw new CairnError("NOT_IMPLEMENTED", {
            message: `The element ${part.name} of Object is not implemented.`,
          });
      }
      if (key === undefined) throw malformed("An Object has no Key.");
      keys.push(key);
    } else throw malformed(`Unexpected element ${child.name}.`);
  }
  if (keys.length === 0 || keys.length > maxKeys)
    throw malformed(`1 to 1,000 objects may be named, not ${keys.length}.`);
  return { keys, quiet };
}

function malformed(message: string): CairnError {
  return new CairnError("MALFORMED_XML", { message });
}

/** Errors: CHECKSUM_MISMATCH, NOT_IMPLEMENTED for CRC-64 of a request document. */
function checkBody(body: Buffer, claimed: ReturnType<typeof claimedChecksums>["claimed"]): void {
  const crc = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  };
  const check = (name: string, said: Uint8Array | undefined, compute: () => Buffer) => {
    if (said !== undefined && said.length > 0 && !compute().equals(said)) {
      throw new CairnError("CHECKSUM_MISMATCH", { message: `The ${name} does not match the body.` });
    }
  };
  check("Content-MD5", claimed.md5, () => createHash("md5").update(body).digest());
  check("CRC32", claimed.crc32, () => crc(crc32(body)));
  check("CRC32C", claimed.crc32c, () => crc(crc32c(body)));
  check("SHA1", claimed.sha1, () => createHash("sha1").update(body).digest());
  check("SHA256", claimed.sha256, () => createHash("sha256").update(body).digest());
  if (claimed.crc64nvme !== undefined && claimed.crc64nvme.length > 0) {
    throw new CairnError("NOT_IMPLEMENTED", {
      message: "x-amz-checksum-crc64nvme of a DeleteObjects body is not implemented.",
      hint: "Send CRC32, CRC32C, SHA1, SHA256 or Content-MD5.",
    });
  }
}
