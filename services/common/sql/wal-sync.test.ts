import { WalSync } from "./wal-sync";

/** Syncs that end when the test says so. */
function handSyncs() {
  const started: { end(): void; fail(error: Error): void }[] = [];
  const sync = () =>
    new Promise<void>((resolve, reject) => {
      started.push({ end: resolve, fail: reject });
    });
  return { started, sync };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a commit is durable when a sync that began behind it has ended; those that wait share one", async () => {
  const { started, sync } = handSyncs();
  const wal = new WalSync(sync);
  const done: string[] = [];
  void wal.commit(async () => {}).then(() => done.push("first"));
  await turn();
  void wal.commit(async () => {}).then(() => done.push("second"));
  void wal.commit(async () => {}).then(() => done.push("third"));
  await turn();
  expect(started).toHaveLength(1);
  started[0]?.end();
  await turn();
  expect(done).toEqual(["first"]);
  expect(started).toHaveLength(2);
  started[1]?.end();
  await turn();
  expect(done).toEqual(["first", "second", "third"]);
  expect(started).toHaveLength(2);
});

test("a reader waits for what it can have seen, from before the commit on, and for no more", async () => {
  const { started, sync } = handSyncs();
  const wal = new WalSync(sync);
  expect(wal.settled()).toBeUndefined();
  let committed = () => {};
  const durable = wal.commit(() => new Promise<void>((resolve) => (committed = resolve)));
  let told = false;
  void wal.settled()?.then(() => {
    told = true;
  });
  committed();
  await turn();
  expect([told, started.length]).toEqual([false, 1]);
  started[0]?.end();
  await durable;
  await turn();
  expect(told).toBe(true);
  expect(wal.settled()).toBeUndefined();
});

test("a commit that fails is no failed sync: it is told to its caller alone", async () => {
  const { started, sync } = handSyncs();
  const wal = new WalSync(sync);
  const failing = wal.commit(() => Promise.reject(new Error("a constraint")));
  const seen = wal.settled();
  await expect(failing).rejects.toThrow("a constraint");
  await expect(seen).resolves.toBeUndefined();
  expect(started).toHaveLength(0);
});

test("after a sync that failed nothing is promised any more: neither commits, nor readers, nor later syncs", async () => {
  const { started, sync } = handSyncs();
  const wal = new WalSync(sync);
  const first = wal.commit(async () => {});
  const seen = wal.settled();
  await turn();
  const behind = wal.commit(async () => {});
  const expected = [first, seen, behind].map((promise) =>
    expect(promise).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" }),
  );
  started[0]?.fail(new Error("EIO"));
  await Promise.all(expected);
  let committed = false;
  const later = wal.commit(async () => {
    committed = true;
  });
  await expect(later).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  await expect(wal.settled()).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
  expect(() => wal.throwIfFailed()).toThrow("started again");
  expect([committed, started.length]).toEqual([true, 1]);
});
