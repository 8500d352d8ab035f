import { createCipheriv } from "node:crypto";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { newId } from "../common/ids/uuid";
import type { BlobSummary, Engine } from "./engine";

/** An engine on a medium of its own, for one test. */
export type EngineUnderTest = {
  readonly engine: Engine;
  /** Closes it and opens another on the same medium. */
  reopen(): Promise<Engine>;
  /** Changes the bytes that keep a blob, its file or its record. */
  corrupt(blobId: string, change: (data: Buffer) => Buffer): Promise<void>;
  /** How many files or records of blobs, finished or not, are on the medium. */
  files(): Promise<number>;
  close(): Promise<void>;
};

const never = new AbortController();
const all = { offsetBytes: 0, lengthBytes: 0 };

/** Bytes that look random and are the same each time. */
export function contentOf(sizeBytes: number, seed = 1): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16)).update(
    Buffer.alloc(sizeBytes),
  );
}

export function summaryOf(content: Uint8Array): BlobSummary {
  return { sizeBytes: content.length, crc32c: crc32c(content) };
}

export async function writeBlob(
  engine: Engine,
  blobId: string,
  content: Buffer,
  chunkBytes = 262_144,
): Promise<void> {
  const writer = engine.begin(blobId);
  for (let offset = 0; offset < content.length; offset += chunkBytes)
    await writer.append(content.subarray(offset, offset + chunkBytes));
  await writer.finish(summaryOf(content));
}

export async function readBlob(engine: Engine, blobId: string, range = all): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await engine.read(blobId, range, never)).chunks) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What every engine promises (engine.ts). */
export function engineSuite(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`engine: ${name}`, () => {
    let under: EngineUnderTest;
    let engine: Engine;
    beforeEach(async () => {
      under = await open();
      engine = under.engine;
    });
    afterEach(() => under.close());

    test.each([0, 1, 4_096, 65_535, 65_536, 65_537, 1_048_576, 3_000_001])(
      "%d bytes come back, also after opening again",
      async (sizeBytes) => {
        const blobId = newId();
        const content = contentOf(sizeBytes);
        await writeBlob(engine, blobId, content);
        expect((await readBlob(engine, blobId)).equals(content)).toBe(true);
        expect(await engine.verify(blobId, never)).toEqual(summaryOf(content));
        const again = await under.reopen();
        expect(again.blobs).toBe(1);
        expect((await readBlob(again, blobId)).equals(content)).toBe(true);
      },
    );

    test.each([0, 4_096, 2_000_000])("%d bytes at hand are written as any others", async (sizeBytes) => {
      const [blobId, wrong] = [newId(), newId()];
      const content = contentOf(sizeBytes);
      await engine.write(blobId, content, summaryOf(content));
      await engine.write(blobId, content, summaryOf(content));
      expect((await readBlob(await under.reopen(), blobId)).equals(content)).toBe(true);
      engine = await under.reopen();
      const other = contentOf(sizeBytes + 1, 2);
      for (const [id, bytes, summary, reason] of [
        [blobId, other, summaryOf(other), "BLOB_EXISTS"],
        [wrong, content, { sizeBytes: sizeBytes + 1, crc32c: crc32c(content) }, "SIZE_MISMATCH"],
        [wrong, content, { sizeBytes, crc32c: crc32c(content) ^ 1 }, "CHECKSUM_MISMATCH"],
        ["../up", content, summaryOf(content), "INVALID_ARGUMENT"],
      ] as const)
        await expect(
          (async () => {
            await engine.write(id, bytes, summary);
          })(),
        ).rejects.toMatchObject({ reason });
      expect(engine.blobs).toBe(1);
      expect(await under.files()).toBe(1);
    });

    test("any range is what the same range of a plain buffer is, in any chunking", async () => {
      const content = contentOf(2_500_000);
      const blobId = newId();
      await writeBlob(engine, blobId, content, 77_777);
      await fc.assert(
        fc.asyncProperty(fc.nat(content.length - 1), fc.nat(1_500_000), async (offsetBytes, length) => {
          const lengthBytes = Math.min(length, content.length - offsetBytes);
          const expected = content.subarray(
            offsetBytes,
            lengthBytes === 0 ? content.length : offsetBytes + lengthBytes,
          );
          expect((await readBlob(engine, blobId, { offsetBytes, lengthBytes })).equals(expected)).toBe(true);
        }),
        { numRuns: 60, seed: 7 },
      );
    });

    test("a range outside the blob is refused and says the size", async () => {
      const blobId = newId();
      await writeBlob(engine, blobId, contentOf(10));
      await expect(engine.read(blobId, { offsetBytes: 5, lengthBytes: 6 }, never)).rejects.toMatchObject({
        reason: "RANGE_NOT_SATISFIABLE",
        params: { size_bytes: "10" },
      });
      await expect(engine.read(blobId, { offsetBytes: 11, lengthBytes: 0 }, never)).rejects.toMatchObject({
        reason: "RANGE_NOT_SATISFIABLE",
      });
    });

    test("chunks are never larger than 1 MiB", async () => {
      const blobId = newId();
      await writeBlob(engine, blobId, contentOf(5_000_000), 5_000_000);
      for await (const chunk of (await engine.read(blobId, all, never)).chunks)
        expect(chunk.length).toBeLessThanOrEqual(1_048_576);
    });

    test("a stream of single bytes is a blob like any other", async () => {
      const blobId = newId();
      const content = contentOf(5_000);
      await writeBlob(engine, blobId, content, 1);
      expect((await readBlob(engine, blobId)).equals(content)).toBe(true);
    });

    test("writing the same again answers the same", async () => {
      const blobId = newId();
      await writeBlob(engine, blobId, contentOf(100_000));
      await writeBlob(engine, blobId, contentOf(100_000));
      expect(engine.blobs).toBe(1);
      expect(await under.files()).toBe(1);
    });

    test("writing something else under the same id is refused and changes nothing", async () => {
      const blobId = newId();
      await writeBlob(engine, blobId, contentOf(5_000, 1));
      await expect(writeBlob(engine, blobId, contentOf(5_000, 2))).rejects.toMatchObject({
        reason: "BLOB_EXISTS",
      });
      expect((await readBlob(engine, blobId)).equals(contentOf(5_000, 1))).toBe(true);
      expect(await under.files()).toBe(1);
    });

    test("of racing writers of one id one wins; equal ones succeed, others get BLOB_EXISTS", async () => {
      const blobId = newId();
      const outcomes = await Promise.allSettled(
        [1, 2, 1, 2, 1, 2].map((seed) => writeBlob(engine, blobId, contentOf(70_000, seed))),
      );
      const kept = await readBlob(engine, blobId);
      const winner = kept.equals(contentOf(70_000, 1)) ? 0 : 1;
      expect(kept.equals(contentOf(70_000, winner + 1))).toBe(true);
      for (const [index, outcome] of outcomes.entries()) {
        if (index % 2 === winner) expect(outcome.status).toBe("fulfilled");
        else expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "BLOB_EXISTS" } });
      }
      expect(engine.blobs).toBe(1);
      expect(await under.files()).toBe(1);
    });

    test.each([100, 3_000_000])("a write of %d bytes that mismatches leaves nothing", async (sizeBytes) => {
      const content = contentOf(sizeBytes);
      for (const [wrong, reason] of [
        [{ sizeBytes: sizeBytes + 1, crc32c: crc32c(content) }, "SIZE_MISMATCH"],
        [{ sizeBytes, crc32c: crc32c(content) ^ 1 }, "CHECKSUM_MISMATCH"],
      ] as const) {
        const blobId = newId();
        const writer = engine.begin(blobId);
        await writer.append(content);
        await expect(writer.finish(wrong)).rejects.toMatchObject({ reason });
        await expect(readBlob(engine, blobId)).rejects.toMatchObject({ reason: "NO_SUCH_BLOB" });
      }
      expect(engine.blobs).toBe(0);
      expect(await under.files()).toBe(0);
    });

    test("a write that is aborted leaves nothing, however far it was", async () => {
      for (const sizeBytes of [0, 100, 1_500_000, 4_000_000]) {
        const writer = engine.begin(newId());
        await writer.append(contentOf(sizeBytes));
        await writer.abort();
        await writer.abort();
      }
      expect(await under.files()).toBe(0);
    });

    test("lists in id order, page by page, with sizes and ages", async () => {
      const sizes = new Map(Array.from({ length: 25 }, (_, index) => [newId(), index * 10]));
      sizes.set("00000000-0000-7000-8000-000000000001", 3);
      for (const [blobId, size] of sizes) await writeBlob(engine, blobId, contentOf(size));
      const listed: string[] = [];
      let after = "";
      for (let more = true; more; ) {
        const page = await engine.list(after, 10);
        expect(page.blobs.length).toBeLessThanOrEqual(10);
        for (const blob of page.blobs) {
          expect(blob.sizeBytes).toBe(sizes.get(blob.blobId));
          expect(blob.ageMs).toBeGreaterThanOrEqual(0);
          listed.push(blob.blobId);
        }
        more = page.more;
        after = page.blobs.at(-1)?.blobId ?? after;
      }
      expect(listed).toEqual([...sizes.keys()].sort());
    });

    test("what is deleted is gone, counts what was not there, and can be written anew", async () => {
      const [kept, gone] = [newId(), newId()];
      await writeBlob(engine, kept, contentOf(10));
      await writeBlob(engine, gone, contentOf(10));
      await readBlob(engine, gone);
      await engine.delete([gone, newId(), gone]);
      await expect(readBlob(engine, gone)).rejects.toMatchObject({ reason: "NO_SUCH_BLOB" });
      await expect(engine.verify(gone, never)).rejects.toMatchObject({ reason: "NO_SUCH_BLOB" });
      expect(engine.blobs).toBe(1);
      await writeBlob(engine, gone, contentOf(20));
      expect((await readBlob(engine, gone)).length).toBe(20);
    });

    test("a download that began before a delete ends with the right bytes", async () => {
      const blobId = newId();
      const content = contentOf(4_000_000);
      await writeBlob(engine, blobId, content);
      const reading = await engine.read(blobId, all, never);
      const chunks: Uint8Array[] = [];
      for await (const chunk of reading.chunks) {
        if (chunks.length === 0) await engine.delete([blobId]);
        chunks.push(chunk);
      }
      expect(Buffer.concat(chunks).equals(content)).toBe(true);
    });

    test("a flipped bit anywhere is found by verify, and by a read that touches it; no wrong byte is given", async () => {
      const content = contentOf(200_000);
      const blobId = newId();
      await writeBlob(engine, blobId, content);
      let fileBytes = 0;
      await under.corrupt(blobId, (data) => {
        fileBytes = data.length;
        return data;
      });
      const places = Array.from({ length: 40 }, (_, index) => Math.floor((index * (fileBytes - 1)) / 39));
      for (const place of [...places, 8, 20, 40, 62, 64, 65_599, 65_600]) {
        const flip = (data: Buffer) => {
          data[place] = (data[place] as number) ^ 0x10;
          return data;
        };
        await under.corrupt(blobId, flip);
        engine = await under.reopen();
        await expect(engine.verify(blobId, never)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
        const got: Uint8Array[] = [];
        const reading = (async () => {
          for await (const chunk of (await engine.read(blobId, all, never)).chunks) got.push(chunk);
        })();
        await expect(reading).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
        const right = Buffer.concat(got);
        expect(right.equals(content.subarray(0, right.length))).toBe(true);
        await under.corrupt(blobId, flip);
      }
      engine = await under.reopen();
      expect(await engine.verify(blobId, never)).toEqual(summaryOf(content));
    });

    test("a damaged replica is written anew by the same write (P9)", async () => {
      const blobId = newId();
      await writeBlob(engine, blobId, contentOf(100_000));
      await under.corrupt(blobId, (data) => {
        data[5_000] = (data[5_000] as number) ^ 1;
        return data;
      });
      await expect(readBlob(engine, blobId)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
      await writeBlob(engine, blobId, contentOf(100_000));
      expect((await readBlob(engine, blobId)).equals(contentOf(100_000))).toBe(true);
      expect(engine.blobs).toBe(1);
    });

    test("another blob's file under this blob's name is damage, not its content (P8)", async () => {
      const [one, other] = [newId(), newId()];
      await writeBlob(engine, one, contentOf(100, 1));
      await writeBlob(engine, other, contentOf(100, 2));
      let foreign = Buffer.alloc(0);
      await under.corrupt(other, (data) => {
        foreign = Buffer.from(data);
        return data;
      });
      await under.corrupt(one, () => foreign);
      await expect(readBlob(engine, one)).rejects.toMatchObject({ reason: "DAMAGED_BLOB" });
    });

    test("a text that is no id reaches no file", async () => {
      await expect(readBlob(engine, "../../../etc/passwd")).rejects.toMatchObject({
        reason: "INVALID_ARGUMENT",
      });
    });
  });
}
