import { randomBytes } from "node:crypto";
import { IdentityService } from "../../gen/cairn/identity/v1/identity_pb";
import { silentLogger } from "../common/log/logger";
import { createMetrics } from "../common/metrics/metrics";
import { localClient } from "../common/rpc/local";
import type { ServiceClient } from "../common/rpc/service";
import { createTestDatabase, type DatabaseEngine, type TestDatabase } from "../common/sql/test-databases";
import { ManualClock } from "../common/time/manual-clock";
import type { FirstStart } from "./first-start";
import { defaultIdentityConfig, type IdentityOptions, openIdentity, type RunningIdentity } from "./open";

/** An identity service on a database of a test's own, with a clock that the test moves. */
export type TestIdentity = {
  readonly running: RunningIdentity;
  readonly client: ServiceClient<typeof IdentityService>;
  readonly clock: ManualClock;
  readonly announced: FirstStart[];
  readonly place: TestDatabase;
  readonly masterKey: Buffer;
  /** Ends it and starts one on the same database. */
  reopen(change?: Partial<IdentityOptions>): Promise<TestIdentity>;
  /** Ends it and removes its database. */
  destroy(): Promise<void>;
};

export async function startTestIdentity(
  engine: DatabaseEngine,
  change: Partial<IdentityOptions> = {},
): Promise<TestIdentity> {
  return start(await createTestDatabase(engine, "identity"), randomBytes(32), new ManualClock(), change);
}

/** One more process on a database. */
export function joinTestIdentity(
  place: TestDatabase,
  masterKey: Buffer,
  clock = new ManualClock(),
  change: Partial<IdentityOptions> = {},
): Promise<TestIdentity> {
  return start(place, masterKey, clock, change);
}

async function start(
  place: TestDatabase,
  masterKey: Buffer,
  clock: ManualClock,
  change: Partial<IdentityOptions>,
): Promise<TestIdentity> {
  const announced: FirstStart[] = [];
  const running = await openIdentity({
    database: place.config,
    masterKey,
    announce: (event) => announced.push(event),
    config: defaultIdentityConfig,
    clock,
    random: randomBytes,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
    ...change,
  });
  return {
    running,
    client: localClient(IdentityService, running.service),
    clock,
    announced,
    place,
    masterKey,
    reopen: async (next = {}) => {
      await running.close();
      return start(place, masterKey, clock, next);
    },
    destroy: async () => {
      await running.close();
      await place.drop();
    },
  };
}

/** Waits until `condition` holds; fails after 5 s. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error("the condition did not come to hold within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
