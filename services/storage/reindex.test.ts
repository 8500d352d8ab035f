import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../common/ids/uuid";
import { silentLogger } from "../common/log/logger";
import { newCall } from "../common/rpc/call";
import { contentOf } from "./engine-suite";
import { nodeDisk } from "./node-disk";
import { get, openNode, put } from "./node-under-test";
import { reindexVolume } from "./reindex";

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "cairn-reindex-"));
});
afterEach(() => rm(base, { recursive: true }));

const reindex = (folder: string, onProgress: (done: number, total: number) => void = () => {}) =>
  reindexVolume({ disk: nodeDisk, folder, log: silentLogger, onProgress });

test("the index is made anew from the segments alone, with progress to the end", async () => {
  const folders = [`${base}/one`];
  const node = await openNode(nodeDisk, { folders, segmentBytes: 40_000 });
  const blobs = new Map(Array.from({ length: 30 }, (_, index) => [newId(), contentOf(index * 300)]));
  let volumeId = "";
  for (const [blobId, content] of blobs) volumeId = await put(node.client, blobId, content);
  const large = newId();
  await put(node.client, large, contentOf(2_000_000));
  await node.close();
  // As an index that lies in every row, which no start would notice.
  const index = nodeDisk.cacheDatabase(`${base}/one/index.db`);
  index.exec("UPDATE blobs SET offset_bytes = 64, segment = 1");
  index.close();

  const seen: [number, number][] = [];
  const found = await reindex(`${base}/one`, (done, total) => void seen.push([done, total]));
  expect(found.blobs).toBe(30);
  expect(found.segments).toBeGreaterThan(2);
  const [last] = seen.slice(-1);
  expect(last).toEqual([found.bytes, found.bytes]);
  expect(seen.every(([done], at) => at === 0 || done >= (seen[at - 1]?.[0] ?? 0))).toBe(true);

  const again = await openNode(nodeDisk, { folders });
  for (const [blobId, content] of blobs)
    expect((await get(again.client, blobId, volumeId)).equals(content)).toBe(true);
  expect((await again.client.getNode({}, newCall())).volumes[0]?.blobs).toBe(31n);
  await again.close();
});

test("a volume in use is refused with the holder's pid, and its index not touched", async () => {
  const node = await openNode(nodeDisk, { folders: [`${base}/one`] });
  const blobId = newId();
  const volumeId = await put(node.client, blobId, contentOf(100));
  const before = (await stat(`${base}/one/index.db`)).ino;
  await expect(reindex(`${base}/one`)).rejects.toThrow(`held by pid ${process.pid}`);
  expect((await stat(`${base}/one/index.db`)).ino).toBe(before);
  expect(await get(node.client, blobId, volumeId)).toHaveLength(100);
  await node.close();
});

test("a folder that is no volume is refused and left as it was; one that holds volumes names them", async () => {
  await expect(reindex(base)).rejects.toThrow(/has no volume.json/);
  await expect(stat(`${base}/lock.db`)).rejects.toThrow("ENOENT");
  await expect(reindex(`${base}/nowhere`)).rejects.toThrow("ENOENT");
  await (await openNode(nodeDisk, { folders: [`${base}/node-1`] })).close();
  await expect(reindex(base)).rejects.toThrow(`${base}/node-1`);
});
