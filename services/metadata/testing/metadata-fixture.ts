import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Bucket } from "../../../gen/cairn/common/v1/common_pb";
import {
  type CommandSchema,
  MetadataService,
  type NewBlobSchema,
  type Outcome,
} from "../../../gen/cairn/metadata/v1/metadata_pb";
import { newId } from "../../common/ids/uuid";
import type { RunningService } from "../../common/lifecycle/running-service";
import { silentLogger } from "../../common/log/logger";
import { createMetrics } from "../../common/metrics/metrics";
import { newCall } from "../../common/rpc/call";
import { localClient } from "../../common/rpc/local";
import type { ServiceClient } from "../../common/rpc/service";
import { createTestDatabase, type DatabaseEngine, type TestDatabase } from "../../common/sql/test-databases";
import { ManualClock } from "../../common/time/manual-clock";
import { defaultMetadataConfig, type MetadataConfig } from "../config";
import { openMetadata } from "../open";

type ChangeInit = NonNullable<MessageInitShape<typeof CommandSchema>["change"]>;
type ChangeInitOf<C extends ChangeInit["case"]> = NonNullable<Extract<ChangeInit, { case: C }>["value"]>;

/** A metadata service over a database of its own, three registered nodes with a volume each, and a clock to move. */
export class MetadataFixture {
  readonly volumes = [newId(), newId(), newId()] as const;
  /** A call of its own for each use: a hundred at once would share one signal. */
  get call() {
    return newCall();
  }
  #extra: RunningService<typeof MetadataService>[] = [];

  private constructor(
    readonly place: TestDatabase,
    readonly config: MetadataConfig,
    readonly clock: ManualClock,
    public running: RunningService<typeof MetadataService>,
    public client: ServiceClient<typeof MetadataService>,
  ) {}

  static async open(engine: DatabaseEngine, config: Partial<MetadataConfig> = {}): Promise<MetadataFixture> {
    const place = await createTestDatabase(engine, "metadata");
    const merged = { ...defaultMetadataConfig, ...config };
    const clock = new ManualClock(Date.now());
    const running = await openMetadata({
      database: place.config,
      config: merged,
      clock,
      log: silentLogger,
      metrics: createMetrics({ defaults: false }),
    });
    const fixture = new MetadataFixture(
      place,
      merged,
      clock,
      running,
      localClient(MetadataService, running.service),
    );
    for (const volumeId of fixture.volumes)
      await fixture.run("registerNode", {
        nodeId: newId(),
        address: "127.0.0.1:1",
        zone: "",
        volumeIds: [volumeId],
      });
    return fixture;
  }

  /** Another process on the same database. */
  async another(): Promise<ServiceClient<typeof MetadataService>> {
    const running = await openMetadata({
      database: this.place.config,
      config: this.config,
      clock: this.clock,
      log: silentLogger,
      metrics: createMetrics({ defaults: false }),
    });
    this.#extra.push(running);
    return localClient(MetadataService, running.service);
  }

  async close(): Promise<void> {
    for (const running of [this.running, ...this.#extra]) await running.close();
    await this.place.drop();
  }

  /** An id minted at the fixture's time, which a test may have moved. */
  id(): string {
    const hex = this.clock.nowMs().toString(16).padStart(12, "0");
    return `${hex.slice(0, 8)}-${hex.slice(8)}${newId().slice(13)}`;
  }

  async run<C extends ChangeInit["case"] & string>(
    kind: C,
    value: ChangeInitOf<C>,
    client = this.client,
    id = this.id(),
  ): Promise<Outcome> {
    const { outcomes } = await client.execute(
      { commands: [{ id, change: { case: kind, value } as ChangeInit }] },
      this.call,
    );
    const [outcome] = outcomes;
    if (outcome === undefined) throw new Error("no outcome");
    return outcome;
  }

  async bucket(name = `b-${newId().slice(-12)}`): Promise<Bucket> {
    const outcome = await this.run("createBucket", { bucketId: newId(), name, ownerId: newId() });
    if (outcome.result.case !== "bucket" || outcome.result.value.bucket === undefined)
      throw new Error(`no bucket: ${JSON.stringify(outcome.result)}`);
    return outcome.result.value.bucket;
  }

  blob(sizeBytes = 10n): MessageInitShape<typeof NewBlobSchema> & { blobId: string } {
    return { blobId: this.id(), sizeBytes, crc32c: 7, volumeIds: [...this.volumes] };
  }

  /** Puts a version that brings one blob. */
  async put(
    bucket: Bucket,
    key: string,
    options: {
      etag?: string;
      ifMatch?: string[];
      ifNoneMatch?: string[];
      sizeBytes?: bigint;
      blob?: ReturnType<MetadataFixture["blob"]>;
      client?: ServiceClient<typeof MetadataService>;
      id?: string;
    } = {},
  ): Promise<Outcome> {
    const blob = options.blob ?? this.blob(options.sizeBytes);
    const sizeBytes = BigInt(blob.sizeBytes ?? 0n);
    return this.run(
      "putVersion",
      {
        bucketId: bucket.id,
        configVersion: bucket.configVersion,
        key,
        content: { sizeBytes, etag: options.etag ?? "e" },
        extents: [{ blobId: blob.blobId, offsetBytes: 0n, lengthBytes: sizeBytes }],
        newBlobs: [blob],
        conditions: { ifMatch: options.ifMatch ?? [], ifNoneMatch: options.ifNoneMatch ?? [] },
      },
      options.client,
      options.id,
    );
  }

  delete(bucket: Bucket, key: string, versionId = "", client = this.client): Promise<Outcome> {
    return this.run(
      "deleteVersion",
      { bucketId: bucket.id, key, versionId, configVersion: bucket.configVersion },
      client,
    );
  }

  async configure(bucket: Bucket, change: { versioning?: number; quotaBytes?: bigint }): Promise<Bucket> {
    const outcome = await this.run("configureBucket", {
      bucketId: bucket.id,
      configVersion: bucket.configVersion,
      ...change,
    });
    if (outcome.result.case !== "bucket" || outcome.result.value.bucket === undefined)
      throw new Error(`not configured: ${JSON.stringify(outcome.result)}`);
    return outcome.result.value.bucket;
  }

  get(bucket: Bucket, key: string, versionId = "") {
    return this.client.getVersion({ bucketId: bucket.id, key, versionId }, this.call);
  }

  /** Takes all that is due. */
  async takeDeletes(): Promise<{ blobId: string; volumeId: string }[]> {
    const pairs: { blobId: string; volumeId: string }[] = [];
    for (;;) {
      const { result } = await this.run("takeDeletes", { limit: 1000, visibilityMs: 60_000n });
      if (result.case !== "deletes") throw new Error("no deletes");
      if (result.value.pairs.length === 0) return pairs;
      pairs.push(...result.value.pairs);
    }
  }
}

/** The reason of a refusal, or the case of what was applied. */
export function reasonOf(outcome: Outcome): string {
  return outcome.result.case === "refusal" ? outcome.result.value.reason : (outcome.result.case ?? "");
}
