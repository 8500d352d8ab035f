import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { BucketService } from "../../../gen/cairn/bucket/v1/bucket_pb";
import { IdentityService } from "../../../gen/cairn/identity/v1/identity_pb";
import { MetadataService } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { ObjectService } from "../../../gen/cairn/object/v1/object_pb";
import { StorageService } from "../../../gen/cairn/storage/v1/storage_pb";
import { readSettings } from "../../common/config/options";
import { Closing } from "../../common/lifecycle/closing";
import type { DependencyHealth, RunningService } from "../../common/lifecycle/running-service";
import { type Logger, silentLogger } from "../../common/log/logger";
import { createMetrics } from "../../common/metrics/metrics";
import { localClient } from "../../common/rpc/local";
import type { ServiceClient } from "../../common/rpc/service";
import { validateRequests } from "../../common/rpc/validate";
import { type Clock, systemClock } from "../../common/time/clock";
import { startBucket, startIdentity, startMetadata, startObject, startStorage } from "../../parts";
import { type GatewayConfig, gatewayDefaults } from "../config";
import { openGateway } from "../open";

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of a document
export type TestResponse = Omit<Response, "json"> & { json(): Promise<any> };

export type WholeStore = {
  readonly port: number;
  readonly adminKey: string;
  readonly identity: ServiceClient<typeof IdentityService>;
  /** A request with the admin's key, unless `key` says otherwise; null sends none. */
  fetch(path: string, options?: RequestInit & { key?: string | null }): Promise<TestResponse>;
  /** Sends bytes as they are on a connection of their own and answers what came until the server closed it. */
  raw(text: string, options?: { endAfter?: boolean }): Promise<string>;
  /** A user and a key of theirs; quota -1 unless given. */
  makeKey(options: MakeKey): Promise<{ userId: string; keyId: string; text: string }>;
  /** How many connections are open. */
  connections(): Promise<number>;
  drain(): Promise<void>;
  close(): Promise<void>;
};

export type MakeKey = {
  userName: string;
  permissions: ("read" | "write" | "admin")[];
  buckets?: string[];
  requestsPerMinute?: number;
};

/** The embedded store behind the gateway on a port of its own, in a folder of its own: the real services. */
export async function openWholeStore(
  options: {
    config?: Partial<GatewayConfig>;
    clock?: Clock;
    log?: Logger;
    health?: () => Promise<DependencyHealth[]>;
  } = {},
): Promise<WholeStore> {
  const folder = await mkdtemp(join(tmpdir(), "cairn-gateway-"));
  const closing = new Closing();
  const metrics = createMetrics({ defaults: false });
  const host = { settings: readSettings({}, {}), log: silentLogger, metrics };
  const carry = <S extends DescService>(service: S, running: RunningService<S>): ServiceClient<S> => {
    closing.add(running);
    return localClient(service, running.service, [validateRequests]);
  };
  const sqlite = (name: string) => ({ kind: "sqlite", path: join(folder, `${name}.db`) }) as const;
  closing.add({ close: () => rm(folder, { recursive: true, force: true }) });
  const nodes = [];
  for (const name of ["a", "b", "c"]) {
    const place = join(folder, name);
    await mkdir(place);
    nodes.push({ address: place, client: carry(StorageService, await startStorage(host, [place])) });
  }
  const metadata = carry(MetadataService, await startMetadata(host, sqlite("metadata")));
  let adminKey = "";
  const identity = carry(
    IdentityService,
    await startIdentity(host, sqlite("identity"), Buffer.alloc(32, 1), (event) => {
      adminKey = event.adminKey;
    }),
  );
  const bucket = carry(BucketService, await startBucket(host, sqlite("bucket"), metadata));
  const object = carry(ObjectService, await startObject(host, metadata, nodes));
  const gateway = await openGateway({
    identity,
    bucket,
    object,
    config: { ...gatewayDefaults, rateLimitPerMinute: 0, drainGraceMs: 5_000, ...options.config },
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLogger,
    metrics,
    health: options.health ?? (async () => [{ name: "metadata", ok: true, latencyMs: 1 }]),
  });
  closing.add(gateway);
  await new Promise<void>((resolve) => gateway.server.listen(0, "127.0.0.1", resolve));
  const { port } = gateway.server.address() as AddressInfo;

  const store: WholeStore = {
    port,
    adminKey,
    identity,
    fetch: (path, { key = adminKey, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (key !== null && !headers.has("authorization")) headers.set("authorization", `Bearer ${key}`);
      return fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers });
    },
    raw: (text, { endAfter = false } = {}) => sendRaw(port, text, endAfter),
    makeKey: async ({ userName, permissions, buckets = [], requestsPerMinute = -1 }) => {
      const user = await (
        await store.fetch("/_/api/v1/users", { method: "POST", body: JSON.stringify({ name: userName }) })
      ).json();
      const made = await (
        await store.fetch(`/_/api/v1/users/${user.id}/keys`, {
          method: "POST",
          body: JSON.stringify({ name: "test", permissions, buckets, requestsPerMinute }),
        })
      ).json();
      return { userId: user.id, keyId: made.key.id, text: made.text };
    },
    connections: () =>
      new Promise((resolve, reject) =>
        gateway.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
    drain: () => gateway.drain(),
    close: () => closing.close(),
  };
  return store;
}

function sendRaw(port: number, text: string, endAfter: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
      socket.write(text, "latin1");
      if (endAfter) socket.end();
    });
    socket.setEncoding("latin1");
    socket.on("data", (data: string) => {
      answer += data;
    });
    socket.on("end", () => {
      socket.destroy();
      resolve(answer);
    });
    // A server that cuts the connection after its answer has answered all the same.
    socket.on("error", (error) => (answer === "" ? reject(error) : resolve(answer)));
  });
}
