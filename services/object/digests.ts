import { createHash, type Hash } from "node:crypto";
import * as zlib from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { crc32c, crc32 as foreignCrc32 } from "@node-rs/crc32";
import type { Checksums, ChecksumsSchema } from "../../gen/cairn/common/v1/common_pb";
import { ChecksumAlgorithm } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import { Crc64Nvme } from "../common/hashing/crc64nvme";

type Kind = "md5" | "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256";
type Digest = { readonly kind: Kind; update(bytes: Uint8Array): void; digest(): Uint8Array };

/** Node 20.15 and 22.2 brought zlib.crc32, which is the faster one. */
const nativeCrc32 = (zlib as { crc32?: (bytes: Uint8Array, former?: number) => number }).crc32;

const kinds: Record<ChecksumAlgorithm, Kind | undefined> = {
  [ChecksumAlgorithm.UNSPECIFIED]: undefined,
  [ChecksumAlgorithm.CRC32]: "crc32",
  [ChecksumAlgorithm.CRC32C]: "crc32c",
  [ChecksumAlgorithm.CRC64NVME]: "crc64nvme",
  [ChecksumAlgorithm.SHA1]: "sha1",
  [ChecksumAlgorithm.SHA256]: "sha256",
};

/** The digests of one body, computed as its bytes pass: MD5 always, others when asked for. */
export class Digests {
  readonly #digests: readonly Digest[];
  #sizeBytes = 0;

  constructor(algorithms: readonly ChecksumAlgorithm[]) {
    const wanted = new Set<Kind>(["md5"]);
    for (const algorithm of algorithms) {
      const kind = kinds[algorithm];
      if (kind !== undefined) wanted.add(kind);
    }
    this.#digests = [...wanted].map(start);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    for (const digest of this.#digests) digest.update(bytes);
  }

  /** Ends the digests. */
  finish(): MessageInitShape<typeof ChecksumsSchema> & { md5: Uint8Array } {
    const result: MessageInitShape<typeof ChecksumsSchema> & { md5: Uint8Array } = { md5: new Uint8Array() };
    for (const digest of this.#digests) result[digest.kind] = digest.digest();
    return result;
  }
}

/**
 * Compares what came with what the client claimed. Throws SIZE_MISMATCH or CHECKSUM_MISMATCH, and INVALID_ARGUMENT for
 * a claim that was not announced and so was not computed.
 */
export function checkClaims(
  computed: Partial<Record<Kind, Uint8Array>>,
  sizeBytes: number,
  claimed: { readonly sizeBytes: bigint; readonly checksums?: Checksums | undefined },
): void {
  if (claimed.sizeBytes !== BigInt(sizeBytes)) {
    throw new CairnError("SIZE_MISMATCH", {
      message: `${sizeBytes} bytes came, ${claimed.sizeBytes} were said.`,
    });
  }
  for (const kind of ["md5", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const) {
    const claim = claimed.checksums?.[kind];
    if (claim === undefined || claim.length === 0) continue;
    const actual = computed[kind];
    if (actual === undefined) {
      throw new CairnError("INVALID_ARGUMENT", {
        message: `The ${kind} checksum was not announced in the header.`,
      });
    }
    if (Buffer.compare(actual, claim) !== 0) {
      throw new CairnError("CHECKSUM_MISMATCH", {
        message: `The ${kind} of what came is ${text(actual)}, ${text(claim)} was said.`,
      });
    }
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function start(kind: Kind): Digest {
  switch (kind) {
    case "md5":
    case "sha1":
    case "sha256":
      return new Hashed(kind, createHash(kind));
    case "crc32":
      return new Crc("crc32", nativeCrc32 ?? foreignCrc32);
    case "crc32c":
      return new Crc("crc32c", crc32c);
    case "crc64nvme":
      return new Crc64();
  }
}

class Hashed implements Digest {
  constructor(
    readonly kind: Kind,
    readonly hash: Hash,
  ) {}
  update(bytes: Uint8Array): void {
    this.hash.update(bytes);
  }
  digest(): Uint8Array {
    return this.hash.digest();
  }
}

class Crc implements Digest {
  #value = 0;
  constructor(
    readonly kind: Kind,
    readonly next: (bytes: Uint8Array, former?: number) => number,
  ) {}
  update(bytes: Uint8Array): void {
    this.#value = this.next(bytes, this.#value);
  }
  digest(): Uint8Array {
    const result = Buffer.allocUnsafe(4);
    result.writeUInt32BE(this.#value >>> 0);
    return result;
  }
}

class Crc64 implements Digest {
  readonly kind = "crc64nvme";
  readonly #crc = new Crc64Nvme();
  update(bytes: Uint8Array): void {
    this.#crc.update(bytes);
  }
  digest(): Uint8Array {
    return this.#crc.digest();
  }
}
