import { createHash } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export type Place = { readonly url: string; readonly adminKey: string };
export type Digest = { readonly sha256: string; readonly sizeBytes: number };

/** The path of a key, each of its parts percent-encoded. */
export function pathOf(bucket: string, key: string): string {
  return `/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
}

/** Uploads a stream and answers its digest, made on the way. Without `sizeBytes` there is no Content-Length. */
export async function upload(
  place: Place,
  path: string,
  source: Iterable<Buffer> | AsyncIterable<Buffer>,
  options: { readonly sizeBytes?: number; readonly headers?: Record<string, string> } = {},
): Promise<Digest & { readonly etag: string }> {
  const length: Record<string, string> =
    options.sizeBytes === undefined ? {} : { "content-length": `${options.sizeBytes}` };
  const outgoing = open(place, "PUT", path, { ...length, ...options.headers });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
  });
  const { digest, through } = digesting();
  await Promise.all([pipeline(Readable.from(through(source)), outgoing), answered]);
  const answer = await answered;
  const text = Buffer.concat(await answer.toArray()).toString();
  if (answer.statusCode !== 200) throw new Error(`PUT ${path}: ${answer.statusCode} ${text}`);
  return { ...digest(), etag: String(answer.headers.etag).replaceAll('"', "") };
}

/** Downloads and digests; nothing of it is kept. Rejects when the body is not whole. */
export async function download(
  place: Place,
  path: string,
): Promise<Digest & { readonly headers: IncomingMessage["headers"] }> {
  const outgoing = open(place, "GET", path, {});
  outgoing.end();
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
  });
  const { digest, through } = digesting();
  for await (const _ of through(answer));
  if (answer.statusCode !== 200) throw new Error(`GET ${path}: ${answer.statusCode}`);
  return { ...digest(), headers: answer.headers };
}

function open(place: Place, method: string, path: string, headers: Record<string, string>) {
  const { hostname, port } = new URL(place.url);
  const authorization = `Bearer ${place.adminKey}`;
  return request({ hostname, port, method, path, headers: { authorization, ...headers } });
}

function digesting() {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  return {
    digest: (): Digest => ({ sha256: hash.digest("hex"), sizeBytes }),
    through: async function* (source: Iterable<Buffer> | AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    },
  };
}
