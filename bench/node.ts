import { closeSync, constants, mkdtempSync, openSync, read, rmSync, write } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { newId } from "../services/common/ids/uuid";
import { silentLogger } from "../services/common/log/logger";
import { createMetrics } from "../services/common/metrics/metrics";
import { newCall } from "../services/common/rpc/call";
import { systemClock } from "../services/common/time/clock";
import { storageDefaults } from "../services/storage/config";
import { nodeDisk } from "../services/storage/node-disk";
import { openStorage } from "../services/storage/open";
import { table } from "./table";

/**
 * CPU of one storage node for small blobs, through its handlers in this process: what a call costs the thread that
 * serves and libuv's threads together, system calls included. `npm run bench:node [-- FOLDER]`.
 */
const blobs = 20_000;
const clients = 32;
const rounds = 9;
const sizeBytes = 4_096;
const content = Buffer.alloc(sizeBytes, 7);

async function main(folder: string): Promise<void> {
  const node = await openStorage({
    config: { ...storageDefaults, reserveBytes: 0, folders: [join(folder, "node")] },
    disk: nodeDisk,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics({ defaults: false }),
  });
  const floor = openFloor(join(folder, "floor"));
  try {
    const { service } = node;
    const { volumes = [] } = await service.getNode({} as never, newCall());
    const volumeId = volumes[0]?.volumeId ?? "";
    const checksum = crc32c(content);
    const ids: string[] = [];
    const write = (blobId: string) =>
      service.writeSmallBlob({ blobId, volumeId, content, crc32c: checksum } as never, newCall());
    const read = async (blobId: string) => {
      const request = { blobId, volumeId, offsetBytes: 0n, lengthBytes: 0 } as never;
      const { content: found } = await service.readSmallBlob(request, newCall());
      if (found?.length !== sizeBytes) throw new Error(`${blobId}: ${found?.length} bytes came`);
    };
    const results = new Map<string, number[]>();
    const measure = async (
      name: string,
      given: readonly string[],
      work: (id: string) => Promise<unknown>,
    ) => {
      const each = await cpuOf(given, work);
      results.set(name, [...(results.get(name) ?? []), each]);
    };
    // By turns, so that what else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      const batch = Array.from({ length: blobs }, () => newId());
      ids.push(...batch);
      // Of several rounds, as a store's reads are of more than what was written last.
      const some = ids
        .slice(0)
        .sort((a, b) => (a.slice(-8) < b.slice(-8) ? -1 : 1))
        .slice(0, blobs);
      await measure("WriteSmallBlob", batch, write);
      await measure("floor of writes", batch, floor.append);
      await measure("ReadSmallBlob", some, read);
      await measure("floor of reads", some, floor.read);
    }
    const rows = [...results].map(([name, each]) => {
      // The first rounds are the compiler's.
      const sorted = each.slice(2).sort((a, b) => a - b);
      const [least = 0] = sorted;
      const median = sorted[sorted.length >> 1] ?? 0;
      return [name, median.toFixed(1), least.toFixed(1)];
    });
    process.stdout.write(
      `${table([`${sizeBytes} bytes, ${clients} at once`, "median µs", "least µs"], rows)}\n`,
    );
  } finally {
    floor.close();
    await node.close();
  }
}

/** What Node itself takes for the same system calls: one synced write a batch of what waits; one read and its CRC. */
function openFloor(path: string) {
  const fd = openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_DSYNC);
  const recordBytes = sizeBytes + 128;
  const batchBuffer = Buffer.alloc(clients * recordBytes);
  let waiting: (() => void)[] = [];
  let position = 0;
  let busy = false;
  const flush = () => {
    const batch = waiting;
    waiting = [];
    busy = batch.length > 0;
    if (!busy) return;
    for (const index of batch.keys()) {
      batchBuffer.set(content, index * recordBytes + 128);
      crc32c(content);
    }
    write(fd, batchBuffer, 0, batch.length * recordBytes, position, () => {
      for (const resolve of batch) resolve();
      flush();
    });
    position += batch.length * recordBytes;
  };
  return {
    append: () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (!busy) flush();
      }),
    read: (id: string) =>
      new Promise<void>((resolve) => {
        const bytes = Buffer.allocUnsafeSlow(recordBytes);
        const place = Number.parseInt(id.slice(-6), 16) % Math.floor(position / recordBytes);
        read(fd, bytes, 0, recordBytes, place * recordBytes, () => {
          crc32c(bytes);
          resolve();
        });
      }),
    close: () => closeSync(fd),
  };
}

/** Microseconds of CPU for each. */
async function cpuOf(ids: readonly string[], work: (id: string) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  let next = 0;
  const client = async () => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) await work(id);
  };
  await Promise.all(Array.from({ length: clients }, client));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / ids.length;
}

const base = mkdtempSync(join(process.argv[2] ?? tmpdir(), "cairn-bench-node-"));
void main(base)
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  })
  .finally(() => rmSync(base, { recursive: true, force: true }));
