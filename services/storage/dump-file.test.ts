import { ConfigError } from "../common/config/options";
import { newId } from "../common/ids/uuid";
import { dumpFile } from "./dump-file";
import { contentOf, summaryOf } from "./engine-suite";
import { get, openNode, put } from "./node-under-test";
import { recordHeaderBytes, segmentHeaderBytes } from "./segment-format";
import { openStore } from "./segments-under-test";
import { SimulatedDisk } from "./simulated-disk";

async function dumped(disk: SimulatedDisk, path: string): Promise<{ sound: boolean; text: string }> {
  let text = "";
  const sound = await dumpFile(disk, path, (line) => {
    text += `${line}\n`;
  });
  expect(disk.openFiles).toBe(0);
  return { sound, text };
}

function crcOf(content: Buffer): string {
  return summaryOf(content).crc32c.toString(16).padStart(8, "0");
}

describe("a segment", () => {
  const path = "/v/segments/000000000001";
  const contents = [contentOf(300), contentOf(200_000), contentOf(0)];
  let disk: SimulatedDisk;
  let blobIds: string[];
  /** Where each record begins. */
  let offsets: number[];

  beforeEach(async () => {
    disk = new SimulatedDisk();
    await disk.mkdir("/v");
    const store = await openStore(disk, "/v", { segmentBytes: 1_000_000 });
    blobIds = contents.map(() => newId());
    offsets = [];
    for (const [index, blobId] of blobIds.entries()) {
      const content = contents[index] as Buffer;
      await store.turns.run(blobId, () => store.add(blobId, [content], summaryOf(content)));
      offsets.push(store.find(blobId)?.offsetBytes as number);
    }
    await store.delete([blobIds[2] as string]);
    await store.close();
  });

  /** The line of a blob, its columns. */
  function lineOf(text: string, blobId: string): string[] {
    const line = text.split("\n").find((candidate) => candidate.endsWith(blobId)) ?? "";
    return line.trim().split(/ +/);
  }

  test("shows its header and every record with position, size, kind, checksum and time", async () => {
    const { sound, text } = await dumped(disk, path);
    expect(sound).toBe(true);
    expect(text).toMatch(/magic +CAIRNSEG\n +version +2\n +number +1\n +random id +[0-9a-f]{32}\n/);
    expect(text).toMatch(/header checksum +ok/);
    for (const [index, blobId] of blobIds.slice(0, 2).entries()) {
      const content = contents[index] as Buffer;
      expect(lineOf(text, blobId).slice(0, 5)).toEqual([
        String(offsets[index]),
        String(content.length),
        "blob",
        "ok",
        crcOf(content),
      ]);
    }
    expect(text).toContain("3 blobs, 1 tombstones, 0 damaged places, no torn end");
  });

  test("a damaged block is named with its record, and what lies behind it is shown", async () => {
    const second = offsets[1] as number;
    disk.corrupt(path, (data) => {
      data[second + recordHeaderBytes + 70_000] = (data[second + recordHeaderBytes + 70_000] as number) ^ 1;
      return data;
    });
    const { sound, text } = await dumped(disk, path);
    expect(sound).toBe(false);
    expect(lineOf(text, blobIds[1] as string).slice(2, 5)).toEqual(["blob", "bad", "1"]);
    expect(text).toContain("2 blobs, 1 tombstones, 1 damaged places, no torn end");
  });

  test("a damaged record header is a stretch with no record; one damaged behind it is still found by its magic", async () => {
    const [first, second] = offsets as [number, number];
    disk.corrupt(path, (data) => {
      data.fill(0xff, first + 20, first + 40);
      data[second + recordHeaderBytes] = (data[second + recordHeaderBytes] as number) ^ 1;
      return data;
    });
    const { sound, text } = await dumped(disk, path);
    expect(sound).toBe(false);
    expect(text).toMatch(new RegExp(`^ +${first} +${second - first}  bytes with no sound header`, "m"));
    expect(lineOf(text, blobIds[1] as string).slice(2, 5)).toEqual(["blob", "bad", "0"]);
  });

  test("a torn end, a wrong name and a damaged header are said", async () => {
    disk.corrupt(path, (data) => data.subarray(0, data.length - 5));
    expect((await dumped(disk, path)).text).toContain(`${recordHeaderBytes - 5} bytes at the end`);
    await disk.rename(path, "/v/segments/000000000007");
    const renamed = await dumped(disk, "/v/segments/000000000007");
    expect(renamed.sound).toBe(false);
    expect(renamed.text).toMatch(/number +1, bad: the file is named 7/);
    disk.corrupt("/v/segments/000000000007", (data) => {
      data[60] = (data[60] as number) ^ 1;
      return data;
    });
    expect((await dumped(disk, "/v/segments/000000000007")).text).toMatch(/header checksum +bad/);
    disk.corrupt("/v/segments/000000000007", (data) => data.subarray(0, segmentHeaderBytes - 1));
    const cut = await dumped(disk, "/v/segments/000000000007");
    expect(cut.sound).toBe(false);
    expect(cut.text).toContain("the file ends within its header");
  });
});

describe("files of a volume", () => {
  const content = contentOf(3_000_000);
  let disk: SimulatedDisk;
  let blobId: string;
  let path: string;

  beforeEach(async () => {
    disk = new SimulatedDisk();
    const node = await openNode(disk);
    blobId = newId();
    const volumeId = await put(node.client, blobId, content);
    expect((await get(node.client, blobId, volumeId)).equals(content)).toBe(true);
    await node.close();
    path = `/node/one/blobs/${blobId.slice(0, 7)}/${blobId}`;
  });

  test("a blob's file shows ids, every block's checksum and the footer", async () => {
    const { sound, text } = await dumped(disk, path);
    expect(sound).toBe(true);
    expect(text).toMatch(
      new RegExp(`magic +CAIRNBLB\n +version +1\n +block +65536 bytes\n +blob +${blobId}\n`),
    );
    expect(text).toMatch(/^ +45 +2949184 +50880 {2}[0-9a-f]{8} ok$/m);
    expect(text).toMatch(new RegExp(`size +3000000 bytes\n +crc32c +${crcOf(content)} ok\n`));
    expect(text).toContain("46 blocks, 0 of them bad");
  });

  test("a flipped bit, a cut and another blob's name are said", async () => {
    disk.corrupt(path, (data) => {
      data[64 + 5 * 65_536] = (data[64 + 5 * 65_536] as number) ^ 1;
      return data;
    });
    const flipped = await dumped(disk, path);
    expect(flipped.sound).toBe(false);
    expect(flipped.text).toMatch(/^ +5 +327744 +65536 {2}[0-9a-f]{8} bad$/m);
    expect(flipped.text).toContain("46 blocks, 1 of them bad");
    const other = newId();
    await disk.rename(path, `/node/one/${other}`);
    expect((await dumped(disk, `/node/one/${other}`)).text).toContain(`bad: the file is named ${other}`);
    disk.corrupt(`/node/one/${other}`, (data) => data.subarray(0, 100_000));
    expect((await dumped(disk, `/node/one/${other}`)).sound).toBe(false);
  });

  test("volume.json shows ids, history and fence; one that is broken says why", async () => {
    const { sound, text } = await dumped(disk, "/node/one/volume.json");
    expect(sound).toBe(true);
    expect(text).toMatch(/format +\d\n +volume +[0-9a-f-]{36}\n +node +[0-9a-f-]{36}\n +fence +none\n/);
    disk.corrupt("/node/one/volume.json", () => Buffer.from("{"));
    const broken = await dumped(disk, "/node/one/volume.json");
    expect(broken.sound).toBe(false);
    expect(broken.text).toContain("is not JSON");
  });

  test("what is no file of a volume is refused with what it seems to be", async () => {
    await expect(dumped(disk, "/node/one/nothing")).rejects.toThrow("there is no such file");
    await expect(dumped(disk, "/node/one")).rejects.toThrow(ConfigError);
    const fd = await disk.create("/node/notes", { synced: true });
    await disk.write(fd, [Buffer.from("SQLite format 3")], 0);
    await disk.close(fd);
    await expect(dumped(disk, "/node/notes")).rejects.toThrow("cairn storage reindex");
  });
});
