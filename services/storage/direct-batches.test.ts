import { newId } from "../common/ids/uuid";
import { contentOf, readBlob, summaryOf, writeBlob } from "./engine-suite";
import { decodeSegmentHeader, NewerFormat, segmentHeaderBytes, segmentSeed } from "./segment-format";
import { scanSegment } from "./segment-scan";
import { openHybrid } from "./segments-under-test";
import { SimulatedDisk } from "./simulated-disk";

const first = "/v/segments/000000000001";
const never = new AbortController();

async function newDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await disk.mkdir("/v");
  await disk.syncDirectory("/");
  return disk;
}

async function scan(disk: SimulatedDisk) {
  const fd = await disk.open(first);
  const header = Buffer.alloc(segmentHeaderBytes);
  await disk.read(fd, header, 0);
  const seed = segmentSeed(decodeSegmentHeader(header, 1) ?? "");
  let records = 0;
  const result = await scanSegment(disk, fd, seed, segmentHeaderBytes, (found) => {
    records += found.length;
  });
  return { ...result, records, fileBytes: await disk.sizeOf(fd) };
}

test("small and large batches of one segment come back, after the index is lost too, and their gaps are no damage", async () => {
  const disk = await newDisk();
  const engine = await openHybrid(disk, "/v", { segmentBytes: 100_000_000 });
  const blobs = new Map(
    [10, 200_000, 20, 30, 1_048_576, 131_072, 40, 700_000].map((sizeBytes, seed) => [
      newId(),
      contentOf(sizeBytes, seed + 1),
    ]),
  );
  for (const [blobId, content] of blobs) await writeBlob(engine, blobId, content);
  const { records, damages, soundThroughBytes, fileBytes } = await scan(disk);
  expect({ records, damages, soundThroughBytes }).toEqual({
    records: blobs.size,
    damages: 0,
    soundThroughBytes: fileBytes,
  });
  disk.crash();
  const again = await openHybrid(disk, "/v");
  for (const [blobId, content] of blobs) {
    expect((await readBlob(again, blobId)).equals(content)).toBe(true);
    expect(await again.verify(blobId, never)).toEqual(summaryOf(content));
  }
  await again.close();
});

test("control: zeros in the place of a lost record are damage, not a gap", async () => {
  const disk = await newDisk();
  const engine = await openHybrid(disk, "/v", { segmentBytes: 100_000_000 });
  // The first record ends at 4,096, where a gap would.
  await writeBlob(engine, newId(), contentOf(4_096 - 64 - 128));
  await writeBlob(engine, newId(), contentOf(500));
  disk.corrupt(first, (data) => data.fill(0, 64, 4_096));
  expect(await scan(disk)).toMatchObject({ records: 1, damages: 1 });
  await engine.close();
});

test("a segment of format 1 is read; one of a newer format is refused with a sentence and left alone", async () => {
  const disk = await newDisk();
  const engine = await openHybrid(disk, "/v");
  const blobId = newId();
  await writeBlob(engine, blobId, contentOf(5_000));
  await engine.close();
  const withVersion = (version: number) =>
    disk.corrupt(first, (data) => {
      data.writeUInt16LE(version, 8);
      data.writeUInt32LE(summaryOf(data.subarray(0, 60)).crc32c, 60);
      return data;
    });
  withVersion(1);
  const again = await openHybrid(disk, "/v");
  expect((await readBlob(again, blobId)).equals(contentOf(5_000))).toBe(true);
  await again.close();
  withVersion(3);
  await expect(openHybrid(disk, "/v")).rejects.toThrow(NewerFormat);
  await expect(openHybrid(disk, "/v")).rejects.toThrow(
    "Segment 1 was written by a newer Cairn (format 3, known is 2). Start that one.",
  );
  expect(await disk.stat(first)).toBeDefined();
});
