import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WriteConditionsSchema } from "../../gen/cairn/common/v1/common_pb";
import type { MetadataService } from "../../gen/cairn/metadata/v1/metadata_pb";
import type { GetObjectRequestSchema, ObjectService } from "../../gen/cairn/object/v1/object_pb";
import { executeCommand } from "../../services/bucket/execute-command";
import { CairnError, toCairnError } from "../../services/common/errors/cairn-error";
import { newId } from "../../services/common/ids/uuid";
import { newCall } from "../../services/common/rpc/call";
import type { ServiceClient } from "../../services/common/rpc/service";
import type { Random } from "../faults/support/random";
import { Bodies, type Body } from "./bodies";
import { type Cluster, type GatewayName, gatewayNames } from "./cluster";
import { absent, type Condition, closed, type Effect, type Histories, unknown } from "./model/history";
import { type Trace, told } from "./trace";
import { SimProcess } from "./world/sim-process";
import type { VirtualTime } from "./world/virtual-time";

export type BucketRef = { readonly bucketId: string; readonly configVersion: bigint };
type Conditions = MessageInitShape<typeof WriteConditionsSchema>;

/** `beta` comes and goes. */
const bucketNames = ["alpha", "beta"] as const;
const keysOf = { alpha: ["a", "b", "c/1", "c/2", "d"], beta: ["x", "y"] } as const;
const ownerId = "0198c000-0000-7000-8000-000000000001";
const operationTimeoutMs = 40_000;

/** After these a change may have happened, wholly, or may still, or never will. */
const unknownReasons: readonly string[] = [
  "OUTCOME_UNKNOWN",
  "SERVICE_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "SHUTTING_DOWN",
];
const refusalReasons: readonly string[] = [
  "NOT_ENOUGH_NODES",
  "NO_SPACE",
  "METADATA_UNAVAILABLE",
  "DATABASE_UNAVAILABLE",
  "DATA_UNAVAILABLE",
  "BLOB_CONDEMNED",
  "NOT_ENOUGH_COPIES",
  "SOURCE_GONE",
  "NO_SUCH_UPLOAD",
  "CONFIG_CHANGED",
  "COMMAND_TOO_OLD",
];

/** A wrong answer, seen when it came. */
export class WrongAnswer extends Error {}

/** Clients that do random things through both gateways and write down what they were answered. */
export class Workload {
  readonly bodies: Bodies;
  /** Answers that were no "unknown" and no refusal. */
  acknowledged = 0;
  readonly buckets = new Map<string, BucketRef>();
  /** Every bucket there ever was, by id. */
  readonly keysOfBucket = new Map<string, readonly string[]>();
  readonly #deps: {
    time: VirtualTime;
    random: Random;
    cluster: Cluster;
    histories: Histories;
    trace: Trace;
  };
  readonly #process: SimProcess;
  readonly #gateways: Record<GatewayName, ServiceClient<typeof ObjectService>>;
  readonly metadata: ServiceClient<typeof MetadataService>;
  #lastSeen = new Map<string, string>();
  #left: number;

  constructor(
    deps: { time: VirtualTime; random: Random; cluster: Cluster; histories: Histories; trace: Trace },
    steps: number,
  ) {
    this.#deps = deps;
    this.#left = steps;
    this.bodies = new Bodies(deps.random);
    this.#process = new SimProcess("clients", deps.time, 0);
    const { cluster } = deps;
    this.#gateways = {
      "gateway-1": cluster.objectClient(this.#process, "gateway-1"),
      "gateway-2": cluster.objectClient(this.#process, "gateway-2"),
    };
    this.metadata = cluster.metadataClient(this.#process);
  }

  get clock() {
    return this.#process.clock;
  }

  /** The first bucket, before any fault. */
  async begin(): Promise<void> {
    await this.#createBucket("clients", "alpha");
    if (!this.buckets.has("alpha")) throw new WrongAnswer("no bucket though no fault was made");
  }

  /** One client: one operation after the other until all steps of all clients are done. */
  async client(name: string): Promise<void> {
    const { random } = this.#deps;
    while (this.#left > 0) {
      this.#left -= 1;
      await this.#operation(name);
      const pauseMs = random.next() < 0.15 ? 3_000 * random.next() : 100 * random.next();
      await this.#process.clock.sleep(pauseMs);
    }
  }

  /** Reads every key of every bucket through a gateway. Retries until there is an answer; throws after `tries`. */
  async readAll(gateway: GatewayName, tries: number): Promise<void> {
    for (const [bucketId, keys] of this.keysOfBucket)
      for (const key of keys)
        for (let attempt = 1; ; attempt++) {
          const effect = await this.#get("at the end", gateway, { bucketId, configVersion: 1n }, key, {});
          if (effect !== undefined) break;
          if (attempt === tries)
            throw new WrongAnswer(
              `${bucketId}/${key} cannot be read through ${gateway} though all is healed`,
            );
          await this.clock.sleep(1_000);
        }
  }

  async #operation(client: string): Promise<void> {
    const { random } = this.#deps;
    const gateway = random.pick(gatewayNames);
    const name = random.next() < 0.8 ? "alpha" : "beta";
    const bucket = this.buckets.get(name);
    if (bucket === undefined || (name === "beta" && random.next() < 0.15))
      return void (await this.#bucketOperation(client, name, bucket));
    const key = random.pick<string>(keysOf[name]);
    const kind = random.next();
    if (kind < 0.4) await this.#put(client, gateway, bucket, key, this.#someConditions(bucket, key));
    else if (kind < 0.64) await this.#get(client, gateway, bucket, key, this.#someReading());
    else if (kind < 0.68) await this.#head(client, gateway, bucket, key);
    else if (kind < 0.75) await this.#delete(client, gateway, bucket, key);
    else if (kind < 0.78) await this.#deleteMany(client, gateway, bucket, keysOf[name]);
    else if (kind < 0.9) await this.#copy(client, gateway, bucket, name, key);
    else await this.#list(client, gateway, bucket, keysOf[name]);
  }

  async #bucketOperation(client: string, name: string, bucket: BucketRef | undefined): Promise<void> {
    const { random } = this.#deps;
    if (bucket === undefined || random.next() < 0.4) return this.#createBucket(client, name);
    if (random.next() < 0.7) return this.#deleteBucket(client, name, bucket);
    await this.#ask(
      client,
      `find bucket ${name}`,
      async () => {
        const { bucket: found } = await this.metadata.getBucket(
          { by: { case: "name", value: name } },
          this.#call(),
        );
        if (found !== undefined) this.#learn(name, found);
        return [[name, { kind: "read", value: found?.id ?? absent }]];
      },
      (reason) => (reason === "NO_SUCH_BUCKET" ? [[name, { kind: "read", value: absent }]] : undefined),
    );
  }

  #createBucket(client: string, name: string): Promise<void> {
    const bucketId = newId();
    const effect: Effect = { kind: "write", value: bucketId, when: { is: "absent" } };
    return this.#ask(
      client,
      `create bucket ${name} ${bucketId}`,
      async () => {
        const value = { bucketId, name, ownerId };
        const result = await executeCommand(
          this.metadata,
          { case: "createBucket", value },
          this.#call(),
          this.clock,
        );
        if (result.case !== "bucket" || result.value.bucket === undefined) throw new WrongAnswer("no bucket");
        this.#learn(name, result.value.bucket);
        if (result.value.created) return [[name, effect]];
        return [[name, { kind: "read", value: result.value.bucket.id }]];
      },
      undefined,
      () => [[name, effect]],
    );
  }

  #deleteBucket(client: string, name: string, bucket: BucketRef): Promise<void> {
    const { bucketId } = bucket;
    const gone: [string, Effect][] = (this.keysOfBucket.get(bucketId) ?? []).map((key) => [
      `${bucketId}/${key}`,
      { kind: "write", value: closed, when: { is: "absent" } },
    ]);
    const freed: Effect = { kind: "write", value: absent, when: { is: "value", value: bucketId } };
    return this.#ask(
      client,
      `delete bucket ${name} ${bucketId}`,
      async () => {
        await executeCommand(
          this.metadata,
          { case: "deleteBucket", value: { bucketId } },
          this.#call(),
          this.clock,
        );
        if (this.buckets.get(name)?.bucketId === bucketId) this.buckets.delete(name);
        return [[name, freed], ...gone];
      },
      (reason) => {
        if (reason === "BUCKET_NOT_EMPTY") return [];
        if (reason !== "NO_SUCH_BUCKET") return undefined;
        if (this.buckets.get(name)?.bucketId === bucketId) this.buckets.delete(name);
        return gone.map(([register]) => [register, { kind: "read", value: closed }]);
      },
      () => [[name, freed], ...gone],
    );
  }

  async #put(
    client: string,
    gateway: GatewayName,
    bucket: BucketRef,
    key: string,
    when: Condition | undefined,
  ) {
    const { random } = this.#deps;
    const body = this.bodies.make();
    const register = `${bucket.bucketId}/${key}`;
    const conditions = conditionsOf(when);
    const header = { bucket, key, ...(conditions === undefined ? {} : { conditions }) };
    const finish = { sizeBytes: BigInt(body.bytes.length) };
    const slowly = random.next() < 0.1;
    const chunkBytes = 1 + random.whole(64 * 1024);
    const messages = async function* (this: Workload) {
      yield { part: { case: "header" as const, value: header } };
      for (let at = 0; at < body.bytes.length; at += chunkBytes) {
        if (slowly) await this.clock.sleep(400 * random.next());
        yield { part: { case: "chunk" as const, value: body.bytes.subarray(at, at + chunkBytes) } };
      }
      yield { part: { case: "finish" as const, value: finish } };
    };
    const inOneMessage = body.bytes.length < 30_000 && random.next() < 0.7;
    const send = () =>
      inOneMessage
        ? this.#gateways[gateway].putSmallObject({ header, content: body.bytes, finish }, this.#call())
        : this.#gateways[gateway].putObject(messages.call(this), this.#call());
    const write: Effect = { kind: "write", value: body.etag, ...(when === undefined ? {} : { when }) };
    await this.#ask(
      client,
      `put ${key} ${short(body)} ${said(when)} by ${gateway}`,
      async () => {
        const { info } = await send();
        if (info?.etag !== body.etag) throw new WrongAnswer(`put answered the ETag ${info?.etag}`);
        this.#lastSeen.set(register, body.etag);
        return [[register, write]];
      },
      (reason) => this.#refused(register, reason, when),
      () => [[register, write]],
    );
  }

  async #get(
    client: string,
    gateway: GatewayName,
    bucket: BucketRef,
    key: string,
    how: { first?: number; last?: number; slowly?: boolean },
  ): Promise<Effect | undefined> {
    const register = `${bucket.bucketId}/${key}`;
    let effect: Effect | undefined;
    const range = how.first === undefined ? "" : ` ${how.first}-${how.last ?? ""}`;
    const what = `get ${key}${range}${how.slowly ? " slowly" : ""} by ${gateway}`;
    await this.#ask(
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
        const { etag, offset, bytes } = await this.#read(gateway, request, how.slowly ?? false);
        this.#check(etag, offset, bytes, how);
        this.#lastSeen.set(register, etag);
        effect = { kind: "read", value: etag };
        return [[register, effect]];
      },
      (reason) => {
        if (reason === "RANGE_NOT_SATISFIABLE") return [];
        const refused = this.#refused(register, reason, undefined);
        effect = refused?.[0]?.[1];
        return refused;
      },
    );
    return effect;
  }

  /** As a gateway reads: in one message when that is enough, else as a stream. */
  async #read(
    gateway: GatewayName,
    request: MessageInitShape<typeof GetObjectRequestSchema>,
    slowly: boolean,
  ): Promise<{ etag: string; offset: number; bytes: Buffer }> {
    const { random } = this.#deps;
    const object = this.#gateways[gateway];
    if (!slowly && random.next() < 0.6) {
      const { header, content } = await object.getSmallObject({ read: request }, this.#call());
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
    for await (const { part } of object.getObject(request, this.#call())) {
      if (part.case === "header") {
        etag = part.value.info?.etag;
        offset = Number(part.value.offsetBytes);
      } else if (part.case === "chunk") chunks.push(part.value);
      else if (part.case === "trailer") sentBytes = part.value.sentBytes;
      if (slowly) await this.clock.sleep(4_000 * random.next());
    }
    const bytes = Buffer.concat(chunks);
    if (etag === undefined || sentBytes !== BigInt(bytes.length))
      throw new CairnError("SERVICE_UNAVAILABLE", { message: "the stream was cut off" });
    return { etag, offset, bytes };
  }

  #check(etag: string, offset: number, bytes: Buffer, how: { first?: number; last?: number }): void {
    const body = this.bodies.byEtag.get(etag);
    if (body === undefined) throw new WrongAnswer(`an ETag that nobody wrote: ${etag}`);
    const size = body.bytes.length;
    const end = how.first === undefined ? size : Math.min(size, (how.last ?? size - 1) + 1);
    if (offset !== (how.first ?? 0)) throw new WrongAnswer(`the range begins at ${offset}`);
    if (!body.bytes.subarray(offset, end).equals(bytes))
      throw new WrongAnswer(`wrong bytes: ${bytes.length} from ${offset} of ${short(body)}`);
  }

  #head(client: string, gateway: GatewayName, bucket: BucketRef, key: string): Promise<void> {
    const register = `${bucket.bucketId}/${key}`;
    return this.#ask(
      client,
      `head ${key} by ${gateway}`,
      async () => {
        const { header } = await this.#gateways[gateway].headObject({ bucket, key }, this.#call());
        const etag = header?.info?.etag ?? "";
        if (BigInt(this.bodies.byEtag.get(etag)?.bytes.length ?? -1) !== header?.info?.sizeBytes)
          throw new WrongAnswer(`head answered ${etag} with ${header?.info?.sizeBytes} bytes`);
        return [[register, { kind: "read", value: etag }]];
      },
      (reason) => this.#refused(register, reason, undefined),
    );
  }

  #delete(client: string, gateway: GatewayName, bucket: BucketRef, key: string): Promise<void> {
    const register = `${bucket.bucketId}/${key}`;
    return this.#ask(
      client,
      `delete ${key} by ${gateway}`,
      async () => {
        const { versionId } = await this.#gateways[gateway].deleteObject({ bucket, key }, this.#call());
        return [[register, deleted(versionId)]];
      },
      (reason) => this.#refused(register, reason, undefined),
      () => [[register, { kind: "write", value: absent }]],
    );
  }

  #deleteMany(
    client: string,
    gateway: GatewayName,
    bucket: BucketRef,
    all: readonly string[],
  ): Promise<void> {
    const { random } = this.#deps;
    const keys = all.filter(() => random.next() < 0.5);
    if (keys.length === 0) keys.push(all[0] as string);
    const registers = keys.map((key) => `${bucket.bucketId}/${key}`);
    return this.#ask(
      client,
      `delete ${keys.join(" ")} by ${gateway}`,
      async () => {
        const objects = keys.map((key) => ({ key }));
        const { results } = await this.#gateways[gateway].deleteObjects({ bucket, objects }, this.#call());
        return results.flatMap((result, at): [string, Effect][] => {
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

  async #copy(
    client: string,
    gateway: GatewayName,
    bucket: BucketRef,
    name: "alpha" | "beta",
    key: string,
  ): Promise<void> {
    const { random } = this.#deps;
    const sources = keysOf[name].filter((other) => other !== key);
    const sourceKey = random.pick<string>(sources);
    const when = this.#someConditions(bucket, key);
    const conditions = conditionsOf(when);
    const [from, to] = [`${bucket.bucketId}/${sourceKey}`, `${bucket.bucketId}/${key}`];
    const request = {
      sourceBucket: bucket,
      sourceKey,
      bucket,
      key,
      ...(conditions === undefined ? {} : { conditions }),
    };
    await this.#ask(
      client,
      `copy ${sourceKey} to ${key} ${said(when)} by ${gateway}`,
      async () => {
        const { info } = await this.#gateways[gateway].copyObject(request, this.#call());
        const etag = info?.etag ?? "";
        if (!this.bodies.byEtag.has(etag)) throw new WrongAnswer(`copy answered the ETag ${etag}`);
        this.#lastSeen.set(to, etag);
        return [
          [from, { kind: "read", value: etag }],
          [to, { kind: "write", value: etag, ...(when === undefined ? {} : { when }) }],
        ];
      },
      (reason) => {
        // Either key may be the one that is missing.
        if (reason === "NO_SUCH_KEY_IN_BUCKET")
          return when?.is === "value" ? [] : [[from, { kind: "read", value: absent }]];
        return this.#refused(to, reason, when);
      },
      () => [[to, { kind: "write", value: unknown, ...(when === undefined ? {} : { when }) }]],
    );
  }

  #list(client: string, gateway: GatewayName, bucket: BucketRef, all: readonly string[]): Promise<void> {
    const { random } = this.#deps;
    const limit = random.next() < 0.5 ? 100 : 1 + random.whole(3);
    return this.#ask(
      client,
      `list ${limit} by ${gateway}`,
      async () => {
        const request = { bucket, limit };
        const { objects, more } = await this.#gateways[gateway].listObjects(request, this.#call());
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

  #refused(register: string, reason: string, when: Condition | undefined): [string, Effect][] | undefined {
    if (reason === "NO_SUCH_BUCKET") return [[register, { kind: "read", value: closed }]];
    if (reason === "NO_SUCH_KEY_IN_BUCKET") return [[register, { kind: "read", value: absent }]];
    if (reason === "PRECONDITION_FAILED" && when !== undefined)
      return [[register, { kind: "refused", when }]];
    return undefined;
  }

  /** Asks and writes the answer down. `known` explains a refusal; `perhaps` is what no answer leaves possible. */
  async #ask(
    client: string,
    what: string,
    work: () => Promise<[string, Effect][]>,
    known?: (reason: string) => [string, Effect][] | undefined,
    perhaps?: () => [string, Effect][],
  ): Promise<void> {
    const { time, histories, trace } = this.#deps;
    const invokedAt = time.events;
    trace.tell(client, what);
    const add = (effects: [string, Effect][], returnedAt: number, answer: string) => {
      for (const [register, effect] of effects)
        histories.add(register, { effect, invokedAt, returnedAt, told: `${client}: ${what} -> ${answer}` });
    };
    try {
      const effects = await work();
      this.acknowledged += 1;
      trace.tell(client, `${what} -> ok ${effects.map(([, effect]) => brief(effect)).join(" ")}`);
      add(effects, time.events, "ok");
    } catch (thrown) {
      if (thrown instanceof WrongAnswer) throw thrown;
      const error = toCairnError(thrown);
      trace.tell(client, `${what} -> ${told(error)}`);
      const effects = known?.(error.reason);
      if (effects !== undefined) {
        this.acknowledged += 1;
        return add(effects, time.events, error.reason);
      }
      const { reason } = error;
      if (refusalReasons.includes(reason)) return;
      if (!unknownReasons.includes(reason))
        throw new WrongAnswer(`${what}: ${told(error)}`, { cause: error });
      if (perhaps !== undefined) add(perhaps(), Number.POSITIVE_INFINITY, `unknown (${reason})`);
    }
  }

  #learn(name: string, { id: bucketId, configVersion }: { id: string; configVersion: bigint }): void {
    this.buckets.set(name, { bucketId, configVersion });
    this.keysOfBucket.set(bucketId, keysOf[name as (typeof bucketNames)[number]]);
  }

  #someConditions(bucket: BucketRef, key: string): Condition | undefined {
    const { random } = this.#deps;
    const kind = random.next();
    if (kind < 0.55) return undefined;
    if (kind < 0.75) return { is: "absent" };
    const value = this.#lastSeen.get(`${bucket.bucketId}/${key}`);
    return value === undefined ? undefined : { is: "value", value };
  }

  #someReading(): { first?: number; last?: number; slowly?: boolean } {
    const { random } = this.#deps;
    const kind = random.next();
    if (kind < 0.5) return {};
    if (kind < 0.65) return { slowly: true };
    const first = random.whole(random.next() < 0.7 ? 2_000 : 100_000);
    return kind < 0.85 ? { first, last: first + random.whole(50_000) } : { first };
  }

  #call() {
    return newCall({ timeoutMs: operationTimeoutMs });
  }
}

function conditionsOf(when: Condition | undefined): Conditions | undefined {
  if (when === undefined) return undefined;
  return when.is === "value" ? { ifMatch: [when.value] } : { ifNoneMatch: ["*"] };
}

function deleted(versionId: string): Effect {
  return versionId === ""
    ? { kind: "read", value: absent }
    : { kind: "write", value: absent, when: { is: "present" } };
}

function short(body: Body): string {
  return `${body.etag.slice(0, 8)} (${body.bytes.length} bytes)`;
}

function said(when: Condition | undefined): string {
  if (when === undefined) return "always";
  return when.is === "value" ? `if ${when.value.slice(0, 8)}` : `if ${when.is}`;
}

function brief(effect: Effect): string {
  if (effect.kind === "refused") return "refused";
  return `${effect.kind === "read" ? "saw" : "made"} ${effect.value.slice(0, 8)}`;
}
