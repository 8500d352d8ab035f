import type { GatewayName } from "../cluster";
import { absent, type Condition, closed, type Effect, unknown } from "../model/history";
import { type BucketRef, type Clients, type Effects, keysOf, refusalReasons, WrongAnswer } from "./clients";
import { conditionsOf, said, someConditions } from "./conditions";
import { short } from "./short";

export async function putObject(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  key: string,
  when: Condition | undefined,
) {
  const { random } = clients;
  const body = clients.bodies.make();
  const register = `${bucket.bucketId}/${key}`;
  const conditions = conditionsOf(when);
  const header = { bucket, key, ...(conditions === undefined ? {} : { conditions }) };
  const finish = { sizeBytes: BigInt(body.bytes.length) };
  const slowly = random.next() < 0.1;
  const chunkBytes = 1 + random.whole(64 * 1024);
  const messages = async function* () {
    yield { part: { case: "header" as const, value: header } };
    for (let at = 0; at < body.bytes.length; at += chunkBytes) {
      if (slowly) await clients.clock.sleep(400 * random.next());
      yield { part: { case: "chunk" as const, value: body.bytes.subarray(at, at + chunkBytes) } };
    }
    yield { part: { case: "finish" as const, value: finish } };
  };
  const inOneMessage = body.bytes.length < 30_000 && random.next() < 0.7;
  const send = () =>
    inOneMessage
      ? clients.gateways[gateway].putSmallObject({ header, content: body.bytes, finish }, clients.call())
      : clients.gateways[gateway].putObject(messages(), clients.call());
  const write: Effect = { kind: "write", value: body.etag, ...(when === undefined ? {} : { when }) };
  await clients.ask(
    client,
    `put ${key} ${short(body)} ${said(when)} by ${gateway}`,
    async () => {
      const { info } = await send();
      if (info?.etag !== body.etag) throw new WrongAnswer(`put answered the ETag ${info?.etag}`);
      clients.lastSeen.set(register, body.etag);
      return [[register, write]];
    },
    (reason) => clients.refused(register, reason, when),
    () => [[register, write]],
  );
}

export async function copyObject(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  name: "alpha" | "beta",
  key: string,
): Promise<void> {
  const { random } = clients;
  const sources = keysOf[name].filter((other) => other !== key);
  const sourceKey = random.pick<string>(sources);
  const when = someConditions(clients, bucket, key);
  const conditions = conditionsOf(when);
  const [from, to] = [`${bucket.bucketId}/${sourceKey}`, `${bucket.bucketId}/${key}`];
  const request = {
    sourceBucket: bucket,
    sourceKey,
    bucket,
    key,
    ...(conditions === undefined ? {} : { conditions }),
  };
  await clients.ask(
    client,
    `copy ${sourceKey} to ${key} ${said(when)} by ${gateway}`,
    async () => {
      const { info } = await clients.gateways[gateway].copyObject(request, clients.call());
      const etag = info?.etag ?? "";
      if (!clients.bodies.byEtag.has(etag)) throw new WrongAnswer(`copy answered the ETag ${etag}`);
      clients.lastSeen.set(to, etag);
      return [
        [from, { kind: "read", value: etag }],
        [to, { kind: "write", value: etag, ...(when === undefined ? {} : { when }) }],
      ];
    },
    (reason) => {
      // Either key may be the one that is missing.
      if (reason === "NO_SUCH_KEY_IN_BUCKET")
        return when?.is === "value" ? [] : [[from, { kind: "read", value: absent }]];
      return clients.refused(to, reason, when);
    },
    () => [[to, { kind: "write", value: unknown, ...(when === undefined ? {} : { when }) }]],
  );
}

export function deleteObject(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  key: string,
): Promise<void> {
  const register = `${bucket.bucketId}/${key}`;
  return clients.ask(
    client,
    `delete ${key} by ${gateway}`,
    async () => {
      const { versionId } = await clients.gateways[gateway].deleteObject({ bucket, key }, clients.call());
      return [[register, deleted(versionId)]];
    },
    (reason) => clients.refused(register, reason, undefined),
    () => [[register, { kind: "write", value: absent }]],
  );
}

export function deleteObjects(
  clients: Clients,
  client: string,
  gateway: GatewayName,
  bucket: BucketRef,
  all: readonly string[],
): Promise<void> {
  const { random } = clients;
  const keys = all.filter(() => random.next() < 0.5);
  if (keys.length === 0) keys.push(all[0] as string);
  const registers = keys.map((key) => `${bucket.bucketId}/${key}`);
  return clients.ask(
    client,
    `delete ${keys.join(" ")} by ${gateway}`,
    async () => {
      const objects = keys.map((key) => ({ key }));
      const { results } = await clients.gateways[gateway].deleteObjects({ bucket, objects }, clients.call());
      return results.flatMap((result, at): Effects => {
        const register = registers[at] as string;
        if (result.error === undefined) return [[register, deleted(result.versionId)]];
        if (refusalReasons.includes(result.error.reason)) return [];
        return [[register, { kind: "write", value: absent }]];
      });
    },
    (reason) =>
      reason === "NO_SUCH_BUCKET"
        ? registers.map((register) => [register, { kind: "read", value: closed }])
        : undefined,
    () => registers.map((register) => [register, { kind: "write", value: absent }]),
  );
}

function deleted(versionId: string): Effect {
  return versionId === ""
    ? { kind: "read", value: absent }
    : { kind: "write", value: absent, when: { is: "present" } };
}
