import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetObjectRequestSchema } from "../../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../../../services/common/errors/cairn-error";
import type { GatewayName } from "../cluster";
import { absent, closed, type Effect } from "../model/history";
import { type BucketRef, type Clients, WrongAnswer } from "./clients";
import { short } from "./short";

/** What of an object is read, and whether its reader takes its time. */
export type Reading = { readonly first?: number; readonly last?: number; readonly slowly?: boolean };

export async function getObject(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  key: string,
  how: Reading,
): Promise<Effect | undefined> {
  const register = `${bucket.bucketId}/${key}`;
  let effect: Effect | undefined;
  const range = how.first === undefined ? "" : ` ${how.first}-${how.last ?? ""}`;
  const what = `get ${key}${range}${how.slowly ? " slowly" : ""} by ${gateway}`;
  await clients.ask(
    client,
    what,
    async () => {
      const request = {
        bucket,
        key,
        ...(how.first === undefined
          ? {}
          : {
              range: {
                range: {
                  case: "firstLast" as const,
                  value: {
                    first: BigInt(how.first),
                    ...(how.last === undefined ? {} : { last: BigInt(how.last) }),
                  },
                },
              },
            }),
      };
      const { etag, offset, bytes } = await readBody(clients, gateway, request, how.slowly ?? false);
      check(clients, etag, offset, bytes, how);
      clients.lastSeen.set(register, etag);
      effect = { kind: "read", value: etag };
      return [[register, effect]];
    },
    (reason) => {
      if (reason === "RANGE_NOT_SATISFIABLE") return [];
      const refused = clients.refused(register, reason, undefined);
      effect = refused?.[0]?.[1];
      return refused;
    },
  );
  return effect;
}

export function headObject(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  key: string,
): Promise<void> {
  const register = `${bucket.bucketId}/${key}`;
  return clients.ask(
    client,
    `head ${key} by ${gateway}`,
    async () => {
      const { header } = await clients.gateways[gateway].headObject({ bucket, key }, clients.call());
      const etag = header?.info?.etag ?? "";
      if (BigInt(clients.bodies.byEtag.get(etag)?.bytes.length ?? -1) !== header?.info?.sizeBytes)
        throw new WrongAnswer(`head answered ${etag} with ${header?.info?.sizeBytes} bytes`);
      return [[register, { kind: "read", value: etag }]];
    },
    (reason) => clients.refused(register, reason, undefined),
  );
}

export function listObjects(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  all: readonly string[],
): Promise<void> {
  const { random } = clients;
  const limit = random.next() < 0.5 ? 100 : 1 + random.whole(3);
  return clients.ask(
    client,
    `list ${limit} by ${gateway}`,
    async () => {
      const request = { bucket, limit };
      const { objects, more } = await clients.gateways[gateway].listObjects(request, clients.call());
      const last = objects.at(-1)?.key ?? "";
      const covered = more ? all.filter((key) => key <= last) : all;
      const etags = new Map(objects.map((object) => [object.key, object.etag]));
      if (more && objects.length !== limit)
        throw new WrongAnswer(`a page of ${objects.length} instead of ${limit}`);
      return covered.map((key) => [
        `${bucket.bucketId}/${key}`,
        { kind: "read", value: etags.get(key) ?? absent },
      ]);
    },
    (reason) =>
      reason === "NO_SUCH_BUCKET"
        ? all.map((key) => [`${bucket.bucketId}/${key}`, { kind: "read", value: closed }])
        : undefined,
  );
}

/** All of it, all of it slowly, or a range. */
export function someReading({ random }: Clients): Reading {
  const kind = random.next();
  if (kind < 0.5) return {};
  if (kind < 0.65) return { slowly: true };
  const first = random.whole(random.next() < 0.7 ? 2_000 : 100_000);
  return kind < 0.85 ? { first, last: first + random.whole(50_000) } : { first };
}

/** As a gateway reads: in one message when that is enough, else as a stream. */
async function readBody(
  clients: Clients,
  gateway: GatewayName,
  request: MessageInitShape<typeof GetObjectRequestSchema>,
  slowly: boolean,
): Promise<{ etag: string; offset: number; bytes: Buffer }> {
  const { random } = clients;
  const object = clients.gateways[gateway];
  if (!slowly && random.next() < 0.6) {
    const { header, content } = await object.getSmallObject({ read: request }, clients.call());
    if (content !== undefined)
      return {
        etag: header?.info?.etag ?? "",
        offset: Number(header?.offsetBytes),
        bytes: Buffer.from(content),
      };
  }
  const chunks: Uint8Array[] = [];
  let etag: string | undefined;
  let offset = 0;
  let sentBytes: bigint | undefined;
  for await (const { part } of object.getObject(request, clients.call())) {
    if (part.case === "header") {
      etag = part.value.info?.etag;
      offset = Number(part.value.offsetBytes);
    } else if (part.case === "chunk") chunks.push(part.value);
    else if (part.case === "trailer") sentBytes = part.value.sentBytes;
    if (slowly) await clients.clock.sleep(4_000 * random.next());
  }
  const bytes = Buffer.concat(chunks);
  if (etag === undefined || sentBytes !== BigInt(bytes.length))
    throw new CairnError("SERVICE_UNAVAILABLE", { message: "the stream was cut off" });
  return { etag, offset, bytes };
}

function check(clients: Clients, etag: string, offset: number, bytes: Buffer, how: Reading): void {
  const body = clients.bodies.byEtag.get(etag);
  if (body === undefined) throw new WrongAnswer(`an ETag that nobody wrote: ${etag}`);
  const size = body.bytes.length;
  const end = how.first === undefined ? size : Math.min(size, (how.last ?? size - 1) + 1);
  if (offset !== (how.first ?? 0)) throw new WrongAnswer(`the range begins at ${offset}`);
  if (!body.bytes.subarray(offset, end).equals(bytes))
    throw new WrongAnswer(`wrong bytes: ${bytes.length} from ${offset} of ${short(body)}`);
}
