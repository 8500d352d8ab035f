import { create } from "@bufbuild/protobuf";
import { ChecksumsSchema } from "../../gen/cairn/common/v1/common_pb";
import { ChecksumAlgorithm } from "../../gen/cairn/object/v1/object_pb";
import { checkClaims, Digests } from "./digests";

const everything = [
  ChecksumAlgorithm.CRC32,
  ChecksumAlgorithm.CRC32C,
  ChecksumAlgorithm.CRC64NVME,
  ChecksumAlgorithm.SHA1,
  ChecksumAlgorithm.SHA256,
];

test("the published check values of 123456789, however it is cut", () => {
  const digests = new Digests(everything);
  digests.update(Buffer.from("1234"));
  digests.update(Buffer.from("56789"));
  const hex = Object.fromEntries(
    Object.entries(digests.finish()).map(([kind, value]) => [
      kind,
      Buffer.from(value as Uint8Array).toString("hex"),
    ]),
  );
  expect(hex).toEqual({
    md5: "25f9e794323b453885f5181f1b624d0b",
    crc32: "cbf43926",
    crc32c: "e3069283",
    crc64nvme: "ae8b14860a799888",
    sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
  });
});

test("MD5 alone when nothing was asked for", () => {
  expect(Object.keys(new Digests([]).finish())).toEqual(["md5"]);
});

describe("what a client claims", () => {
  const digests = new Digests([ChecksumAlgorithm.CRC32]);
  digests.update(Buffer.from("123456789"));
  const computed = digests.finish() as Record<string, Uint8Array>;
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
