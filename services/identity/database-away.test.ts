import { newCall } from "../common/rpc/call";
import { createTestDatabase } from "../common/sql/test-databases";
import { makeTestGate } from "../common/sql/test-gate";
import { ManualClock } from "../common/time/manual-clock";
import { eventually, joinTestIdentity } from "./test-identity";

const call = newCall();

test("a PostgreSQL that is down at start, or goes away later, is 503 and recovers with no restart", async () => {
  const { config, drop } = await createTestDatabase("postgres", "identity");
  if (config.kind !== "postgres") throw new Error("not PostgreSQL");
  const gate = await makeTestGate(config.url);
  const clock = new ManualClock();
  const place = { config: { ...config, url: gate.url }, drop };
  const identity = await joinTestIdentity(place, Buffer.alloc(32, 7), clock);
  const users = () => identity.client.listUsers({ limit: 10 }, call);
  const works = async () => {
    clock.advance(1_000);
    return users().then(
      ({ users }) => users.length === 1,
      () => false,
    );
  };
  await expect(users()).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(await identity.running.health()).toMatchObject([{ name: "postgres", ok: false }]);
  expect(identity.announced).toEqual([]);

  await gate.open();
  await eventually(works);
  expect(identity.announced).toHaveLength(1);
  expect(await identity.running.health()).toMatchObject([{ name: "postgres", ok: true }]);

  await gate.shut();
  await expect(users()).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  const counts = [{ subject: "192.0.2.1", window: BigInt(Math.floor(clock.nowMs() / 60_000)), requests: 2 }];
  expect((await identity.client.reportRates({ gatewayId: "g", counts }, call)).sums[0]?.requests).toBe(2);

  await gate.open();
  await eventually(works);
  expect(identity.announced).toHaveLength(1);
  await identity.running.close();
  await gate.shut();
  await drop();
});
