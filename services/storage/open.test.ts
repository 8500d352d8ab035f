import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../common/ids/uuid";
import { newCall } from "../common/rpc/call";
import { UnusableFolder } from "./claim-folder";
import { contentOf } from "./engine-suite";
import { nodeDisk } from "./node-disk";
import { get, openNode, put } from "./node-under-test";

describe("folders of a storage node, on the real disk", () => {
  let base: string;
  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), "cairn-storage-"));
  });
  afterEach(() => rm(base, { recursive: true }));

  test("a node keeps its id, its volumes and its blobs over a restart", async () => {
    const folders = [`${base}/deep/er/one/`, `${base}/two`];
    const first = await openNode(nodeDisk, { folders, zone: "z1" });
    const blobId = newId();
    const content = contentOf(300_000);
    const volumeId = await put(first.client, blobId, content);
    const before = await first.client.getNode({}, newCall());
    await first.close();
    const second = await openNode(nodeDisk, { folders, zone: "z1" });
    const after = await second.client.getNode({}, newCall());
    expect(after.nodeId).toBe(first.nodeId);
    expect(after.zone).toBe("z1");
    expect(after.volumes.map((volume) => volume.volumeId)).toEqual(
      before.volumes.map((volume) => volume.volumeId),
    );
    expect((await get(second.client, blobId, volumeId)).equals(content)).toBe(true);
    // Repeated with no volume named, the write answers from where it was.
    expect(await put(second.client, blobId, content)).toBe(volumeId);
    expect((await second.health()).every((health) => health.ok)).toBe(true);
    expect(await second.metrics.metrics()).toContain(`cairn_storage_blobs{volume="${volumeId}"} 1`);
    await second.close();
  });

  test("a folder in use is refused with the holder's pid, and free after closing", async () => {
    const node = await openNode(nodeDisk, { folders: [`${base}/one`] });
    const again = openNode(nodeDisk, { folders: [`${base}/one`] });
    await expect(again).rejects.toThrow(`held by pid ${process.pid}`);
    await node.close();
    await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
  });

  test("a folder with other things in it is refused and not touched", async () => {
    await writeFile(`${base}/thesis.txt`, "mine");
    const opening = openNode(nodeDisk, { folders: [base] });
    await expect(opening).rejects.toThrow(UnusableFolder);
    await expect(opening).rejects.toThrow(/not empty \(thesis.txt\).*give an empty folder/);
    expect(existsSync(`${base}/lock.db`)).toBe(false);
  });

  test("a folder of a newer Cairn, a broken one and a file are refused, each with its reason", async () => {
    await mkdir(`${base}/newer`);
    await writeFile(`${base}/newer/volume.json`, JSON.stringify({ format: 99 }));
    await expect(openNode(nodeDisk, { folders: [`${base}/newer`] })).rejects.toThrow(
      /newer Cairn \(format 99/,
    );
    await mkdir(`${base}/broken`);
    await writeFile(`${base}/broken/volume.json`, "{");
    await expect(openNode(nodeDisk, { folders: [`${base}/broken`] })).rejects.toThrow(/is not JSON/);
    await writeFile(`${base}/file`, "");
    await expect(openNode(nodeDisk, { folders: [`${base}/file`] })).rejects.toThrow(/it is a file/);
  });

  test("a volume.json with a wrong bit is taken from its copy, and both are whole again; without one it is refused", async () => {
    const path = `${base}/one/volume.json`;
    await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
    const text = await readFile(path, "utf8");
    for (const damaged of [path, `${path}.copy`]) {
      await writeFile(damaged, text.replace("nodeId", "nodeID"));
      await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
      expect(await readFile(path, "utf8")).toBe(text);
      expect(await readFile(`${path}.copy`, "utf8")).toBe(text);
    }
    for (const damaged of [path, `${path}.copy`]) await writeFile(damaged, text.slice(0, 100));
    await expect(openNode(nodeDisk, { folders: [`${base}/one`] })).rejects.toThrow(/is not JSON/);
    // What moved elsewhere left its copy behind: that alone is no volume.
    await writeFile(`${path}.copy`, text);
    await rm(path);
    await expect(openNode(nodeDisk, { folders: [`${base}/one`] })).rejects.toThrow(/has no volume.json/);
  });

  test("a volume.json without a sound copy is refused as damaged, one of a former format is taken and rewritten", async () => {
    const path = `${base}/one/volume.json`;
    await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
    await rm(`${path}.copy`);
    const text = await readFile(path, "utf8");
    const { nodeId, crc32c, ...rest } = JSON.parse(text);
    expect(rest.format).toBe(3);
    const other = nodeId.replace(/[0-9a-f]$/, (digit: string) => (digit === "0" ? "1" : "0"));
    await writeFile(path, text.replace(nodeId, other));
    await expect(openNode(nodeDisk, { folders: [`${base}/one`] })).rejects.toThrow(
      /damaged: its checksum is/,
    );
    await writeFile(path, JSON.stringify({ ...rest, nodeId }));
    await expect(openNode(nodeDisk, { folders: [`${base}/one`] })).rejects.toThrow(/undefined was written/);
    await writeFile(path, JSON.stringify({ ...rest, nodeId, format: 2 }));
    await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ ...rest, nodeId, crc32c });
  });

  test("volumes of two nodes, and one volume twice, are refused", async () => {
    for (const name of ["one", "two"])
      await (await openNode(nodeDisk, { folders: [`${base}/${name}`] })).close();
    await expect(openNode(nodeDisk, { folders: [`${base}/one`, `${base}/two`] })).rejects.toThrow(
      /belongs to node/,
    );
    await mkdir(`${base}/copy`);
    await writeFile(`${base}/copy/volume.json`, await readFile(`${base}/one/volume.json`));
    await expect(openNode(nodeDisk, { folders: [`${base}/one`, `${base}/copy`] })).rejects.toThrow(
      /given twice/,
    );
    // Nothing stays locked after a refusal.
    await (await openNode(nodeDisk, { folders: [`${base}/one`] })).close();
  });

  test("a folder that vanishes takes no more writes and says so", async () => {
    const node = await openNode(nodeDisk, { folders: [`${base}/one`] });
    await put(node.client, newId(), contentOf(10));
    await rm(`${base}/one`, { recursive: true });
    // Looked at once a second, and when somebody asks.
    expect((await node.health()).every((health) => health.ok)).toBe(false);
    await expect(put(node.client, newId(), contentOf(10))).rejects.toMatchObject({ reason: "VOLUME_FENCED" });
    expect((await node.client.getNode({}, newCall())).volumes[0]?.stateDetail).toMatch(/vanished/);
    await node.close();
  });
});
