import { CairnError } from "../common/errors/cairn-error";
import type { BlobSummary } from "./engine";

/** Whether what came is what was said. Throws SIZE_MISMATCH or CHECKSUM_MISMATCH. */
export function checkSummary(sizeBytes: number, crc: number, expected: BlobSummary): void {
  if (sizeBytes !== expected.sizeBytes)
    throw new CairnError("SIZE_MISMATCH", {
      message: `${expected.sizeBytes} bytes were said, ${sizeBytes} came.`,
    });
  if (crc !== expected.crc32c)
    throw new CairnError("CHECKSUM_MISMATCH", {
      message: "The CRC-32C of the blob does not match what came.",
    });
}
