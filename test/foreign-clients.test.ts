import { createHash, randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import {
  Client,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";
import { crc32c } from "@node-rs/crc32";
import { service as healthService } from "grpc-health-check";
import { uuidv7 } from "uuidv7";
import { BucketService } from "../gen/cairn/bucket/v1/bucket_pb";
import { IdentityService } from "../gen/cairn/identity/v1/identity_pb";
import { MetadataService } from "../gen/cairn/metadata/v1/metadata_pb";
import { ObjectService } from "../gen/cairn/object/v1/object_pb";
import { StorageService } from "../gen/cairn/storage/v1/storage_pb";
import { type SplitService, type SplitStore, startSplitStore } from "./support/split-store";

/** Clients that share no code with ours, against real processes. */

const root = join(__dirname, "..");
const names = ["identity", "bucket", "object", "storage", "metadata"] as const;
type Name = (typeof names)[number];
const portOf = (name: Name): SplitService => (name === "storage" ? "storage-1" : name);

// biome-ignore lint/suspicious/noExplicitAny: a client that is made at run time has no types
type Loose = any;

let folder: string;
let store: SplitStore;
let constructors: Record<Name, ServiceClientConstructor>;
const open: Client[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cairn-foreign-"));
  store = await startSplitStore({ folder, databaseUrl: undefined });
  constructors = await fromProtoFiles();
}, 60_000);
afterAll(async () => {
  for (const client of open) client.close();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** Made from the .proto files alone, as any foreign program would. */
async function fromProtoFiles(): Promise<Record<Name, ServiceClientConstructor>> {
  const definition = await load(
    names.map((name) => `cairn/${name}/v1/${name}.proto`),
    {
      includeDirs: [join(root, "proto"), await rulesFolder()],
      longs: Number,
      enums: String,
      defaults: true,
      oneofs: true,
    },
  );
  const cairn = loadPackageDefinition(definition).cairn as GrpcObject;
  const entries = names.map((name) => {
    const service = `${name[0]?.toUpperCase()}${name.slice(1)}Service`;
    return [
      name,
      ((cairn[name] as GrpcObject).v1 as GrpcObject)[service] as ServiceClientConstructor,
    ] as const;
  });
  return Object.fromEntries(entries) as Record<Name, ServiceClientConstructor>;
}

/** Where buf/validate/validate.proto lies. Its rules matter to servers only: an empty file stands in for it. */
async function rulesFolder(): Promise<string> {
  const unpacked = join(root, "third_party/protovalidate");
  if (existsSync(join(unpacked, "buf/validate/validate.proto"))) return unpacked;
  const standIn = join(folder, "protos/buf/validate");
  await mkdir(standIn, { recursive: true });
  await writeFile(join(standIn, "validate.proto"), 'syntax = "proto3";\npackage buf.validate;\n');
  return join(folder, "protos");
}

function plain(name: Name): Loose {
  const client = new constructors[name](
    `127.0.0.1:${store.ports[portOf(name)]}`,
    credentials.createInsecure(),
  );
  open.push(client);
  return client;
}

function peer(secret: string | undefined = store.clusterSecret): Metadata {
  const metadata = new Metadata();
  if (secret !== undefined) metadata.set("authorization", `Bearer ${secret}`);
  return metadata;
}

function unary(client: Loose, method: string, request: unknown, metadata = peer()): Promise<Loose> {
  return new Promise((resolve, reject) =>
    client[method](request, metadata, (error: ServiceError | null, answer: unknown) =>
      error === null ? resolve(answer) : reject(error),
    ),
  );
}

/** Sends messages in order; without an end of the stream the call is cancelled behind the last one. */
function upload(client: Loose, method: string, messages: readonly unknown[], ends = true): Promise<Loose> {
  return new Promise((resolve, reject) => {
    const call: ClientWritableStream<unknown> = client[method](
      peer(),
      (error: ServiceError | null, answer: unknown) => (error === null ? resolve(answer) : reject(error)),
    );
    for (const message of messages) call.write(message);
    if (ends) call.end();
    else setImmediate(() => call.cancel());
  });
}

async function download(
  call: ClientReadableStream<Loose>,
): Promise<{ header: Loose; bytes: Buffer; trailer: Loose }> {
  let header: Loose;
  let trailer: Loose;
  const chunks: Buffer[] = [];
  for await (const message of call) {
    if (message.part === "header") header = message.header;
    else if (message.part === "chunk") chunks.push(message.chunk);
    else trailer = message.trailer;
  }
  return { header, bytes: Buffer.concat(chunks), trailer };
}

function inChunks(bytes: Buffer): { chunk: Buffer }[] {
  const chunks = [];
  for (let offset = 0; offset < bytes.length; offset += 262_144)
    chunks.push({ chunk: bytes.subarray(offset, offset + 262_144) });
  return chunks;
}

const newBucket = async (ownerId: string = randomUUID()) => {
  const { bucket } = await unary(plain("bucket"), "createBucket", { name: `b-${randomUUID()}`, ownerId });
  return bucket;
};

describe("a plain grpc-js client made from the .proto files", () => {
  test("identity: a user, a key, and who that key is", async () => {
    const identity = plain("identity");
    const userId = uuidv7();
    const { user } = await unary(identity, "createUser", { userId, name: `u-${userId}`, admin: false });
    expect(user).toMatchObject({ id: userId, admin: false });
    const made = await unary(identity, "createApiKey", {
      userId,
      name: "foreign",
      grant: { permissions: ["PERMISSION_READ"], buckets: [] },
    });
    expect(made.text).toMatch(/^s3_key_[0-9a-f]{64}$/);
    const { principal } = await unary(identity, "authenticate", { apiKey: made.text, sourceIp: "10.0.0.1" });
    expect(principal).toMatchObject({ userId, admin: false, grant: { permissions: ["PERMISSION_READ"] } });
    await expect(
      unary(identity, "authenticate", { apiKey: `s3_key_${"0".repeat(64)}`, sourceIp: "10.0.0.1" }),
    ).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  test("bucket: made once, found, refused to others, deleted", async () => {
    const buckets = plain("bucket");
    const [ownerId, other] = [randomUUID(), randomUUID()];
    const { name, id } = await newBucket(ownerId);
    expect((await unary(buckets, "createBucket", { name, ownerId })).created).toBe(false);
    expect((await unary(buckets, "getBucket", { name })).bucket).toMatchObject({ id, name, ownerId });
    await expect(unary(buckets, "createBucket", { name, ownerId: other })).rejects.toMatchObject({
      code: status.ALREADY_EXISTS,
    });
    await unary(buckets, "deleteBucket", { bucketId: id });
    await expect(unary(buckets, "getBucket", { name })).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  test("object: a body goes in as a stream and comes out as a stream, byte for byte", async () => {
    const objects = plain("object");
    const bucket = { bucketId: (await newBucket()).id, configVersion: 0 };
    const ref = { ...bucket, configVersion: await configVersionOf(bucket.bucketId) };
    const body = randomBytes(1_000_003);
    const { info } = await upload(objects, "putObject", [
      {
        header: {
          bucket: ref,
          key: "\ufeffa b/é",
          headers: { contentType: "image/png", userMetadata: { a: "b" } },
        },
      },
      ...inChunks(body),
      { finish: { sizeBytes: body.length } },
    ]);
    expect(info).toMatchObject({
      key: "\ufeffa b/é",
      sizeBytes: body.length,
      etag: createHash("md5").update(body).digest("hex"),
    });
    const got = await download(objects.getObject({ bucket: ref, key: "\ufeffa b/é" }, peer()));
    expect(got.bytes.equals(body)).toBe(true);
    expect(got.header.info.headers).toMatchObject({ contentType: "image/png", userMetadata: { a: "b" } });
    expect(got.trailer).toBeDefined();
    const listed = await unary(objects, "listObjects", { bucket: ref, limit: 10 });
    expect(listed.objects.map((object: { key: string }) => object.key)).toEqual(["\ufeffa b/é"]);
  });

  test("object: a stream without finish is an abort and leaves nothing", async () => {
    const objects = plain("object");
    const { id } = await newBucket();
    const ref = { bucketId: id, configVersion: await configVersionOf(id) };
    const messages = [{ header: { bucket: ref, key: "k" } }, { chunk: randomBytes(100_000) }];
    await expect(upload(objects, "putObject", messages)).rejects.toMatchObject({
      code: status.CANCELLED,
    });
    await expect(upload(objects, "putObject", messages, false)).rejects.toMatchObject({
      code: status.CANCELLED,
    });
    await expect(
      upload(objects, "putObject", [...messages, { finish: { sizeBytes: 99_999 } }]),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect((await unary(objects, "listObjects", { bucket: ref, limit: 10 })).objects).toEqual([]);
  });

  test("storage: a replica is written, read in part, verified, and refused when its checksum is wrong", async () => {
    const storage = plain("storage");
    const body = randomBytes(300_001);
    const blobId = uuidv7();
    const messages = (id: string, sum: number) => [
      { header: { blobId: id } },
      ...inChunks(body),
      { finish: { sizeBytes: body.length, crc32c: sum } },
    ];
    const { volumeId } = await upload(storage, "writeBlob", messages(blobId, crc32c(body)));
    const read = await download(
      storage.readBlob({ blobId, volumeId, offsetBytes: 70_000, lengthBytes: 100_000 }, peer()),
    );
    expect(read.bytes.equals(body.subarray(70_000, 170_000))).toBe(true);
    expect(read.trailer).toEqual({ sentBytes: 100_000 });
    expect(await unary(storage, "verifyBlob", { blobId, volumeId })).toEqual({
      sizeBytes: body.length,
      crc32c: crc32c(body),
    });
    const wrong = uuidv7();
    await expect(upload(storage, "writeBlob", messages(wrong, crc32c(body) ^ 1))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    await expect(unary(storage, "verifyBlob", { blobId: wrong, volumeId })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    const { volumes } = await unary(storage, "getNode", {});
    expect(volumes).toMatchObject([{ volumeId, state: "VOLUME_STATE_ONLINE" }]);
  });

  test("metadata: the same command twice has one outcome", async () => {
    const metadata = plain("metadata");
    const name = `b-${randomUUID()}`;
    const command = {
      id: uuidv7(),
      createBucket: { bucketId: uuidv7(), name, ownerId: randomUUID() },
    };
    const first = await unary(metadata, "execute", { commands: [command] });
    const second = await unary(metadata, "execute", { commands: [command] });
    expect(second).toEqual(first);
    const { buckets } = await unary(metadata, "listBuckets", { prefix: name, limit: 10 });
    expect(buckets).toHaveLength(1);
  });

  test("rules of the contract are enforced for foreigners too", async () => {
    for (const [name, method, request] of [
      ["bucket", "createBucket", { name: "x".repeat(256), ownerId: randomUUID() }],
      ["bucket", "createBucket", { name: "abc", ownerId: "no uuid" }],
      ["object", "listObjects", { limit: 10 }],
      ["metadata", "execute", { commands: [{ id: uuidv7() }] }],
      ["identity", "authenticate", { apiKey: "" }],
      ["storage", "listBlobs", { volumeId: randomUUID(), limit: 10_001 }],
    ] as const) {
      await expect(unary(plain(name), method, request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    }
  });

  test("a deadline that is over ends the call", async () => {
    const call = new Promise((resolve, reject) =>
      plain("bucket").getBucket(
        { name: "abc" },
        peer(),
        { deadline: Date.now() - 1 },
        (error: ServiceError | null) => (error === null ? resolve(undefined) : reject(error)),
      ),
    );
    await expect(call).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });
});

async function configVersionOf(bucketId: string): Promise<number> {
  const { bucket } = await unary(plain("metadata"), "getBucket", { bucketId });
  return bucket.configVersion;
}

describe("without the cluster's secret", () => {
  test.each(names)("every method of %s answers UNAUTHENTICATED", async (name) => {
    const client = plain(name);
    const methods = Object.entries<{
      requestStream: boolean;
      responseStream: boolean;
      originalName?: string;
    }>(constructors[name].service as Loose);
    expect(methods.length).toBeGreaterThan(5);
    for (const secret of [undefined, "wrong".repeat(10), store.clusterSecret.slice(1)]) {
      const metadata = secret === undefined ? new Metadata() : peer(secret);
      for (const [method, { requestStream, responseStream }] of methods) {
        const code = await new Promise((resolve) => {
          const done = (error: ServiceError | null) => resolve(error?.code);
          if (responseStream)
            client[method]({}, metadata)
              .on("error", done)
              .on("data", () => resolve("data"));
          else if (requestStream)
            client[method](metadata, done)
              .on("error", () => {})
              .end();
          else client[method]({}, metadata, done);
        });
        expect([method, code]).toEqual([method, status.UNAUTHENTICATED]);
      }
    }
  });
});

describe("a Connect client", () => {
  const transport = (name: Name, secret: string | undefined = store.clusterSecret) =>
    createGrpcTransport({
      baseUrl: `http://127.0.0.1:${store.ports[portOf(name)]}`,
      interceptors: [
        (next) => (request) => {
          if (secret !== undefined) request.header.set("authorization", `Bearer ${secret}`);
          return next(request);
        },
      ],
    });

  test("drives every service", async () => {
    const identity = createClient(IdentityService, transport("identity"));
    const { principal } = await identity.authenticate({ apiKey: store.adminKey, sourceIp: "10.0.0.2" });
    expect(principal?.admin).toBe(true);
    const buckets = createClient(BucketService, transport("bucket"));
    const { bucket } = await buckets.createBucket({
      name: `b-${randomUUID()}`,
      ownerId: principal?.userId ?? "",
    });
    const metadata = createClient(MetadataService, transport("metadata"));
    expect((await metadata.listBuckets({ prefix: bucket?.name ?? "", limit: 5 })).buckets).toHaveLength(1);
    const storage = createClient(StorageService, transport("storage"));
    expect((await storage.getNode({})).volumes).toHaveLength(1);
    const objects = createClient(ObjectService, transport("object"));
    const ref = { bucketId: bucket?.id ?? "", configVersion: bucket?.configVersion ?? 0n };
    const body = randomBytes(700_000);
    async function* messages() {
      yield { part: { case: "header" as const, value: { bucket: ref, key: "k" } } };
      for (const { chunk } of inChunks(body))
        yield { part: { case: "chunk" as const, value: new Uint8Array(chunk) } };
      yield { part: { case: "finish" as const, value: { sizeBytes: BigInt(body.length) } } };
    }
    expect((await objects.putObject(messages())).info?.sizeBytes).toBe(700_000n);
    const chunks: Uint8Array[] = [];
    for await (const { part } of objects.getObject({ bucket: ref, key: "k" }))
      if (part.case === "chunk") chunks.push(part.value);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
  });

  test("gets our errors as its own codes, with their sentence", async () => {
    const buckets = createClient(BucketService, transport("bucket"));
    const missing = await buckets.getBucket({ name: "no-such-bucket-here" }).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(ConnectError);
    expect([(missing as ConnectError).code, (missing as ConnectError).rawMessage]).toEqual([
      Code.NotFound,
      expect.stringContaining("bucket"),
    ]);
    const stranger = createClient(BucketService, transport("bucket", "x".repeat(40)));
    await expect(stranger.getBucket({ name: "abc" })).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});

test.each(["storage-1", "storage-2", "storage-3", "metadata", "identity", "bucket", "object"] as const)(
  "%s answers grpc.health.v1 without a secret, and knows its own name",
  async (name) => {
    const client = new Client(`127.0.0.1:${store.ports[name]}`, credentials.createInsecure());
    open.push(client);
    const check = (service: string): Promise<Loose> => {
      const method = (healthService as Loose).Check;
      return new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          { service },
          (error, answer) => (error === null ? resolve(answer) : reject(error)),
        ),
      );
    };
    const role = name.replace(/-\d$/, "");
    const typeName = `cairn.${role}.v1.${role[0]?.toUpperCase()}${role.slice(1)}Service`;
    for (const service of ["", typeName]) expect((await check(service)).status).toBe("SERVING");
    await expect(check("cairn.unknown.v1.Service")).rejects.toMatchObject({ code: status.NOT_FOUND });
  },
);
