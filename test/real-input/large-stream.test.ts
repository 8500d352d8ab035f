import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Embedded, makeBucket, openEmbeddedStore } from "./support/embedded";
import { download, pathOf, upload } from "./support/streams";

const MiB = 1024 * 1024;
/**
 * CAIRN_REAL_STREAM_MIB=3072 is the whole proof. The default crosses the border between two blobs, which lies at 1 GiB,
 * at a place that no chunk ends at.
 */
const streamMiB = Number(process.env.CAIRN_REAL_STREAM_MIB ?? 1_100);
const growthLimitBytes = 200 * MiB;

let store: Embedded;
beforeAll(async () => {
  store = await openEmbeddedStore();
});
afterAll(() => store?.close(), 30_000);

test(`${streamMiB} MiB with no Content-Length come back byte for byte, and the whole store grows by less than 200 MiB`, async () => {
  const bucket = await makeBucket(store, "streams");
  const before = residentBytes();
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentBytes());
  }, 50);
  try {
    const path = pathOf(bucket, "a long recording.bin");
    const startedMs = performance.now();
    const sent = await upload(store, path, recording(streamMiB * MiB));
    const uploadS = (performance.now() - startedMs) / 1000;
    const uploadPeak = peak;
    expect(sent.sizeBytes).toBe(streamMiB * MiB);
    const got = await download(store, path);
    const downloadS = (performance.now() - startedMs) / 1000 - uploadS;
    process.stdout.write(
      `${streamMiB} MiB chunked: up ${uploadS.toFixed(1)} s, down ${downloadS.toFixed(1)} s; resident ` +
        `${inMiB(before)} MiB before, at most ${inMiB(uploadPeak)} MiB during the upload, ${inMiB(peak)} MiB in all\n`,
    );
    expect({ sha256: got.sha256, sizeBytes: got.sizeBytes }).toEqual({
      sha256: sent.sha256,
      sizeBytes: sent.sizeBytes,
    });
    expect(peak - before).toBeLessThan(growthLimitBytes);
  } finally {
    clearInterval(sampling);
  }
}, 600_000);

/** Bytes that repeat nowhere a block is long, in chunks whose borders no buffer shares. */
function* recording(sizeBytes: number): Generator<Buffer> {
  const pool = randomBytes(4 * MiB + 12_345);
  for (let sentBytes = 0, number = 0; sentBytes < sizeBytes; number++) {
    const lengthBytes = Math.min(pool.length, sizeBytes - sentBytes);
    pool.writeUInt32BE(number, 0);
    yield Buffer.from(pool.subarray(0, lengthBytes));
    sentBytes += lengthBytes;
  }
}

/** What the kernel says that the store's process holds in memory. */
function residentBytes(): number {
  const status = readFileSync(`/proc/${store.process.child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function inMiB(bytes: number): number {
  return Math.round(bytes / MiB);
}
