import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { HashThread } from "./hash-thread";
import { hashHere, type StreamHash } from "./stream-hash";

const mib = 1024 * 1024;
let thread: HashThread;

beforeEach(() => {
  thread = new HashThread();
});
afterEach(() => thread.close());

async function feed(hash: StreamHash, pieces: readonly Uint8Array[]): Promise<string> {
  for (const piece of pieces) await hash.update(piece);
  return Buffer.from(await hash.digest()).toString("hex");
}

const expected = (name: string, pieces: readonly Uint8Array[]) => {
  const hash = createHash(name);
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
};

test("a body has the same hash there and here, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 * mib }), { maxLength: 5 }),
      fc.constantFrom("md5" as const, "sha1" as const, "sha256" as const),
      async (lengths, name) => {
        const pieces = lengths.map((length) => randomBytes(length));
        const sum = expected(name, pieces);
        expect(await feed(thread.start(name), pieces)).toBe(sum);
        expect(await feed(hashHere(name), pieces)).toBe(sum);
      },
    ),
    { numRuns: 25 },
  );
});

test("forty bodies at once share the thread and its blocks, and none is mixed up with another", async () => {
  const bodies = Array.from({ length: 40 }, () => [randomBytes(1_500_000), randomBytes(700_001)]);
  const sums = await Promise.all(bodies.map((pieces) => feed(thread.start("md5"), pieces)));
  expect(sums).toEqual(bodies.map((pieces) => expected("md5", pieces)));
});

test("bytes may change once they were taken", async () => {
  const hash = thread.start("md5");
  const bytes = Buffer.alloc(2 * mib, "a");
  await hash.update(bytes);
  bytes.fill("b");
  expect(Buffer.from(await hash.digest()).toString("hex")).toBe(
    expected("md5", [Buffer.alloc(2 * mib, "a")]),
  );
});

test("forty bodies that come slowly stop no other, and one that is given up takes nothing along", async () => {
  const slow = Array.from({ length: 40 }, () => thread.start("md5"));
  for (const hash of slow) await hash.update(Buffer.from("slow"));
  const quick = [randomBytes(5 * mib)];
  expect(await feed(thread.start("md5"), quick)).toBe(expected("md5", quick));
  slow[3]?.abandon();
  for (const hash of slow.filter((_, index) => index !== 3))
    expect(await feed(hash, [Buffer.from("er")])).toBe(expected("md5", [Buffer.from("slower")]));
});

test("a body that comes faster than it is hashed is told to wait", async () => {
  const hash = thread.start("sha256");
  let waited = 0;
  for (let sent = 0; sent < 64; sent++) {
    const wait = hash.update(Buffer.alloc(mib, sent));
    if (wait !== undefined) waited += 1;
    await wait;
  }
  expect(waited).toBeGreaterThan(0);
  await hash.digest();
});

test("a closed thread fails what is not done, and what comes later", async () => {
  const hash = thread.start("md5");
  await hash.update(randomBytes(2 * mib));
  await thread.close();
  await expect(hash.digest()).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
  expect(() => thread.start("md5").update(randomBytes(mib))).toThrow();
});
