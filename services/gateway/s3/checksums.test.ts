import { ChecksumAlgorithm } from "../../../gen/cairn/object/v1/object_pb";
import { claimedChecksums } from "./checksums";

test("claims are read, and what is claimed is computed", () => {
  expect(
    claimedChecksums({ "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-checksum-crc32": "AAAAAA==" }),
  ).toEqual({
    claimed: { md5: Buffer.from("d41d8cd98f00b204e9800998ecf8427e", "hex"), crc32: Buffer.alloc(4) },
    algorithms: [ChecksumAlgorithm.CRC32],
  });
  expect(claimedChecksums({ "x-amz-sdk-checksum-algorithm": "CRC64NVME" })).toEqual({
    claimed: {},
    algorithms: [ChecksumAlgorithm.CRC64NVME],
  });
  expect(claimedChecksums({ "x-amz-content-sha256": "UNSIGNED-PAYLOAD" })).toEqual({
    claimed: {},
    algorithms: [],
  });
});

test.each([
  [{ "content-md5": "short" }, "INVALID_DIGEST"],
  [{ "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg" }, "INVALID_DIGEST"],
  [{ "x-amz-checksum-crc32": "AAAA" }, "INVALID_DIGEST"],
  [{ "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA==" }, "INVALID_REQUEST"],
  [{ "x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "SHA1" }, "INVALID_REQUEST"],
  [{ "x-amz-sdk-checksum-algorithm": "MD4" }, "INVALID_REQUEST"],
  [{ "x-amz-content-sha256": "abc" }, "INVALID_DIGEST"],
  [{ "content-encoding": "gzip, aws-chunked" }, "NOT_IMPLEMENTED"],
  [{ "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER" }, "NOT_IMPLEMENTED"],
  [{ "x-amz-trailer": "x-amz-checksum-crc32" }, "NOT_IMPLEMENTED"],
])("%j is refused with %s", (headers, reason) => {
  expect(() => claimedChecksums(headers)).toThrow(expect.objectContaining({ reason }));
});
