import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { opendir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { StoreClient } from "../faults/support/store-client";
import { type Embedded, makeBucket, openEmbeddedStore } from "./support/embedded";
import { download, pathOf, upload } from "./support/streams";

/** CAIRN_REAL_FILES=100000 is the whole proof. */
const fileCount = Number(process.env.CAIRN_REAL_FILES ?? 2_000);
/** Folders of real files; the later ones are for a machine whose first has too few. */
const folders = [join(__dirname, "../../node_modules"), "/usr/share", "/usr/lib", "/usr/include"];
const largestBytes = 1024 * 1024;
const lanes = 16;

let store: Embedded;
beforeAll(async () => {
  store = await openEmbeddedStore();
});
afterAll(() => store?.close(), 60_000);

test("the machine's own Node binary comes back byte for byte", async () => {
  const bucket = await makeBucket(store, "binaries");
  const { size } = await stat(process.execPath);
  const path = pathOf(bucket, process.execPath.slice(1));
  const sent = await upload(store, path, createReadStream(process.execPath), { sizeBytes: size });
  const got = await download(store, path);
  expect(got.sizeBytes).toBe(size);
  expect(got.sha256).toBe(sent.sha256);
  expect(got.headers["content-length"]).toBe(String(size));
}, 120_000);

test(
  `a folder of ${fileCount} small files comes back byte for byte under its own names`,
  async () => {
    const bucket = await makeBucket(store, "many-files");
    const client = new StoreClient(store.url, store.adminKey);
    const startedMs = performance.now();
    const etags = new Map<string, string>();
    let sentBytes = 0;
    await inLanes(realFiles(), async (file) => {
      const bytes = await readFile(file);
      await client.expect([200], "PUT", pathOf(bucket, file.slice(1)), { body: bytes });
      etags.set(file.slice(1), md5Of(bytes));
      sentBytes += bytes.length;
    });
    const putS = (performance.now() - startedMs) / 1000;
    const listed = await client.list(bucket, 1_000);
    expect(listed).toHaveLength(etags.size);
    const keys = listed.map(({ key }) => key);
    expect(keys).toEqual([...etags.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    let wrong = 0;
    await inLanes(listed, async ({ key, etag }) => {
      const { body } = await client.expect([200], "GET", pathOf(bucket, key));
      if (etag !== etags.get(key) || md5Of(body) !== etag) wrong += 1;
    });
    const allS = (performance.now() - startedMs) / 1000;
    expect(wrong).toBe(0);
    expect(etags.size).toBe(fileCount);
    process.stdout.write(
      `${etags.size} files, ${Math.round(sentBytes / 2 ** 20)} MiB: put in ${putS.toFixed(1)} s, ` +
        `listed and read back in ${(allS - putS).toFixed(1)} s\n`,
    );
    client.close();
  },
  60_000 + fileCount * 20,
);

test("photos come back byte for byte, with their type and what was said about them", async () => {
  const bucket = await makeBucket(store, "photos");
  for (let number = 1; number <= 12; number++) {
    const photo = photoOf(1_500_000 + number * 321_987);
    const path = pathOf(bucket, `Ausflug 2026/Bild №${number} 🏔️.jpeg`);
    const headers = { "content-type": "image/jpeg", "x-amz-meta-camera": `camera-${number}` };
    const sent = await upload(store, path, [photo], { sizeBytes: photo.length, headers });
    const got = await download(store, path);
    expect(got.sha256).toBe(sent.sha256);
    expect(got.headers["content-type"]).toBe("image/jpeg");
    expect(got.headers["x-amz-meta-camera"]).toBe(`camera-${number}`);
  }
}, 60_000);

/** As a JPEG: start, application segment, entropy-coded bytes that look random, end. */
function photoOf(sizeBytes: number): Buffer {
  const start = Buffer.from("ffd8ffe000104a46494600010101004800480000", "hex");
  return Buffer.concat([start, randomBytes(sizeBytes - start.length - 2), Buffer.from("ffd9", "hex")]);
}

async function* realFiles(): AsyncGenerator<string> {
  let count = 0;
  for (const folder of folders) {
    for await (const file of filesBelow(folder)) {
      yield file;
      count += 1;
      if (count === fileCount) return;
    }
  }
}

/** Regular files up to 1 MiB whose paths are text; links are not followed. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile() && (await stat(path)).size <= largestBytes && Buffer.byteLength(path) < 1_000)
      yield path;
  }
}

async function inLanes<T>(
  items: AsyncIterable<T> | Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source =
    Symbol.asyncIterator in items
      ? items
      : (async function* () {
          yield* items;
        })();
  const iterator = source[Symbol.asyncIterator]();
  // The generator answers concurrent calls in their order.
  const lane = async () => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

function md5Of(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
