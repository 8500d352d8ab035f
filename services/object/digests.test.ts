import { create } from "@bufbuild/protobuf";
import { ChecksumsSchema } from "../../gen/cairn/common/v1/common_pb";
import { ChecksumAlgorithm } from "../../gen/cairn/object/v1/object_pb";
import { hashHere } from "../common/hashing/stream-hash";
import { checkClaims, type Digested, Digests, digestsOf } from "./digests";

const everything = [
  ChecksumAlgorithm.CRC32,
  ChecksumAlgorithm.CRC32C,
  ChecksumAlgorithm.CRC64NVME,
  ChecksumAlgorithm.SHA1,
  ChecksumAlgorithm.SHA256,
];

test("the published check values of 123456789, whole and however it is cut", async () => {
  const digests = new Digests(everything, hashHere);
  await digests.update(Buffer.from("1234"));
  await digests.update(Buffer.from("56789"));
  const hex = ({ checksums }: Digested) =>
    Object.fromEntries(
      Object.entries(checksums).map(([kind, value]) => [
        kind,
        Buffer.from(value as Uint8Array).toString("hex"),
      ]),
    );
  const published = {
    md5: "25f9e794323b453885f5181f1b624d0b",
    crc32: "cbf43926",
    crc32c: "e3069283",
    crc64nvme: "ae8b14860a799888",
    sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
  };
  expect(hex(await digests.finish())).toEqual(published);
  expect(hex(digestsOf(Buffer.from("123456789"), everything))).toEqual(published);
});

test("MD5 alone when nothing was asked for", async () => {
  expect(Object.keys((await new Digests([], hashHere).finish()).checksums)).toEqual(["md5"]);
  expect(Object.keys(digestsOf(new Uint8Array(), []).checksums)).toEqual(["md5"]);
});

describe("what a client claims", () => {
  const { checksums: known } = digestsOf(Buffer.from("123456789"), [ChecksumAlgorithm.CRC32]);
  const computed = known as unknown as Record<string, Uint8Array>;
  const claim = (sizeBytes: bigint, checksums: Record<string, Uint8Array>) => () =>
    checkClaims(computed, 9, { sizeBytes, checksums: create(ChecksumsSchema, checksums) });

  test.each([
    ["another size", 8n, {}, "SIZE_MISMATCH"],
    ["another MD5", 9n, { md5: new Uint8Array(16) }, "CHECKSUM_MISMATCH"],
    ["another CRC-32", 9n, { crc32: new Uint8Array(4) }, "CHECKSUM_MISMATCH"],
    ["a checksum that was not announced", 9n, { sha1: new Uint8Array(20) }, "INVALID_ARGUMENT"],
  ])("%s is refused", (_, size, checksums, reason) => {
    expect(claim(size, checksums as Record<string, Uint8Array>)).toThrow(expect.objectContaining({ reason }));
  });

  test("the right ones pass", () => {
    expect(claim(9n, { md5: computed.md5 as Uint8Array, crc32: computed.crc32 as Uint8Array })).not.toThrow();
  });
});
