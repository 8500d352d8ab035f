import { create } from "@bufbuild/protobuf";
import { type WriteBlobRequest, WriteBlobRequestSchema } from "../../gen/cairn/storage/v1/storage_pb";
import { BlobBuffer } from "./blob-buffer";

const header = create(WriteBlobRequestSchema, { part: { case: "header", value: { blobId: "blob" } } });
const bytes = (...values: number[]) => Uint8Array.from(values);

async function all(messages: AsyncIterable<WriteBlobRequest>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { part } of messages)
    seen.push(part.case === "chunk" ? part.value.join() : (part.case ?? ""));
  return seen;
}

test("every reader sees header, chunks and finish, whenever it reads", async () => {
  const buffer = new BlobBuffer(1_000);
  const early = all(buffer.read(header, () => 0));
  buffer.push(bytes(1, 2));
  buffer.push(bytes(3));
  const late = all(buffer.read(header, () => 0));
  buffer.finish({ sizeBytes: 3n, crc32c: 7 });
  const expected = ["header", "1,2", "3", "finish"];
  expect(await early).toEqual(expected);
  expect(await late).toEqual(expected);
});

test("what all have taken is let go, once a replica can no longer begin afresh", async () => {
  const buffer = new BlobBuffer(4);
  const fast = buffer.read(header, () => 0);
  const slow = buffer.read(header, () => 0);
  for (const reader of [fast, slow]) await reader.next();
  buffer.push(bytes(1, 2, 3));
  await fast.next();
  await slow.next();
  expect(buffer.replayable).toBe(true);
  buffer.push(bytes(4, 5, 6));
  expect(buffer.replayable).toBe(false);
  await fast.next();
  expect(slow.takenBytes).toBe(3);
  expect((await slow.next()).value.part.value).toEqual(bytes(4, 5, 6));
});

test("a reader that is released holds nothing back", async () => {
  const buffer = new BlobBuffer(0);
  const fast = buffer.read(header, () => 0);
  const stuck = buffer.read(header, () => 0);
  await fast.next();
  buffer.push(bytes(1));
  await fast.next();
  expect(buffer.at(0)).toBeDefined();
  buffer.release(stuck);
  expect(buffer.at(0)).toBeUndefined();
});

test("a failed reader rejects, before and after it waits", async () => {
  const buffer = new BlobBuffer(0);
  const reader = buffer.read(header, () => 0);
  await reader.next();
  const waiting = reader.next();
  reader.fail(new Error("given up"));
  await expect(waiting).rejects.toThrow("given up");
  await expect(reader.next()).rejects.toThrow("given up");
});
