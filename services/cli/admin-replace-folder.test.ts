import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../common/config/options";
import { newId } from "../common/ids/uuid";
import { lockFolder } from "../common/lifecycle/folder-lock";
import { contentOf } from "../storage/engine-suite";
import { nodeDisk } from "../storage/node-disk";
import { get, openNode, put } from "../storage/node-under-test";
import { replaceFolder } from "./admin-replace-folder";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cairn-replace-"));
});
afterEach(() => rmSync(base, { recursive: true }));

const quiet = { write: () => {} };

test("a data folder moves with its volume, master key and state; how to start again is said", async () => {
  const [old, fresh] = [join(base, "old"), join(base, "fresh")];
  mkdirSync(join(old, "state"), { recursive: true });
  writeFileSync(join(old, "state", "metadata.db"), contentOf(100_000));
  writeFileSync(join(old, "master.key"), "secret");
  const node = await openNode(nodeDisk, { folders: [join(old, "node")] });
  const blobId = newId();
  const content = contentOf(2_000_000);
  const volumeId = await put(node.client, blobId, content);
  await node.close();
  const shown: string[] = [];
  const target = { write: (text: string) => void shown.push(text) };
  const said = await replaceFolder({ data: [join(base, "a"), old, join(base, "c")] }, old, fresh, target);
  expect(said).toContain(`Volume ${volumeId}: 1 files`);
  expect(said).toContain(`Start with --data ${join(base, "a")} --data ${fresh} --data ${join(base, "c")}`);
  expect(shown.join("")).toContain("(100 %)");
  expect(readFileSync(join(fresh, "state", "metadata.db")).equals(contentOf(100_000))).toBe(true);
  expect(readFileSync(join(fresh, "master.key"), "utf8")).toBe("secret");
  expect(existsSync(join(old, "master.key"))).toBe(false);
  const moved = await openNode(nodeDisk, { folders: [join(fresh, "node")] });
  expect((await get(moved.client, blobId, volumeId)).equals(content)).toBe(true);
  await moved.close();
});

test("a running store's folder, a folder with no volume and one within the other are refused", async () => {
  const old = join(base, "old");
  await (await openNode(nodeDisk, { folders: [join(old, "node")] })).close();
  const lock = lockFolder(old);
  await expect(replaceFolder({ data: [old] }, old, join(base, "new"), quiet)).rejects.toThrow("in use");
  lock.release();
  await expect(replaceFolder({ data: [] }, base, "/nowhere", quiet)).rejects.toThrow(ConfigError);
  await expect(replaceFolder({ data: [] }, old, join(old, "new"), quiet)).rejects.toThrow(
    "within each other",
  );
});
