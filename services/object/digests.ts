import { hash } from "node:crypto";
import * as zlib from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { crc32c, crc32 as foreignCrc32 } from "@node-rs/crc32";
import type { Checksums, ChecksumsSchema } from "../../gen/cairn/common/v1/common_pb";
import { ChecksumAlgorithm } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import { Crc64Nvme } from "../common/hashing/crc64nvme";
import type { HashMaker, HashName, StreamHash } from "../common/hashing/stream-hash";

type CrcName = "crc32" | "crc32c" | "crc64nvme";
type Kind = HashName | CrcName;
type Crc = { update(bytes: Uint8Array): void; digest(): Uint8Array };
/** The digests of a body, and how long it was. */
export type Digested = {
  readonly checksums: MessageInitShape<typeof ChecksumsSchema> & { md5: Uint8Array };
  readonly sizeBytes: number;
};

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

/** MD5 always, others when asked for. */
function wanted(algorithms: readonly ChecksumAlgorithm[]): { hashes: HashName[]; crcs: CrcName[] } {
  const hashes: HashName[] = ["md5"];
  const crcs: CrcName[] = [];
  for (const algorithm of algorithms) {
    const kind = kinds[algorithm];
    if (kind === "sha1" || kind === "sha256") hashes.push(kind);
    else if (kind !== undefined && kind !== "md5") crcs.push(kind);
  }
  return { hashes, crcs };
}

/** The digests of a body that is whole in memory. */
export function digestsOf(body: Uint8Array, algorithms: readonly ChecksumAlgorithm[]): Digested {
  const { hashes, crcs } = wanted(algorithms);
  const checksums: Digested["checksums"] = { md5: new Uint8Array() };
  for (const name of hashes) checksums[name] = hash(name, body, "buffer");
  for (const name of crcs) {
    const crc = startCrc(name);
    crc.update(body);
    checksums[name] = crc.digest();
  }
  return { checksums, sizeBytes: body.length };
}

/** The digests of a body as its bytes pass. To be finished or abandoned. */
export class Digests {
  readonly #hashes: readonly (readonly [HashName, StreamHash])[];
  readonly #crcs: readonly (readonly [CrcName, Crc])[];
  #sizeBytes = 0;

  constructor(algorithms: readonly ChecksumAlgorithm[], make: HashMaker) {
    const { hashes, crcs } = wanted(algorithms);
    this.#hashes = hashes.map((name) => [name, make(name)]);
    this.#crcs = crcs.map((name) => [name, startCrc(name)]);
  }

  /** A promise when the next bytes must wait. */
  update(bytes: Uint8Array): Promise<unknown> | undefined {
    this.#sizeBytes += bytes.length;
    for (const [, crc] of this.#crcs) crc.update(bytes);
    const waits = this.#hashes.map(([, each]) => each.update(bytes)).filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** Ends the digests. */
  async finish(): Promise<Digested> {
    const checksums: Digested["checksums"] = { md5: new Uint8Array() };
    for (const [name, crc] of this.#crcs) checksums[name] = crc.digest();
    const sums = await Promise.all(
      this.#hashes.map(async ([name, each]) => [name, await each.digest()] as const),
    );
    for (const [name, sum] of sums) checksums[name] = sum;
    return { checksums, sizeBytes: this.#sizeBytes };
  }

  /** Releases what they hold (I8); after `finish` it does nothing. */
  abandon(): void {
    for (const [, each] of this.#hashes) each.abandon();
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

function startCrc(name: CrcName): Crc {
  switch (name) {
    case "crc32":
      return new Crc32(nativeCrc32 ?? foreignCrc32);
    case "crc32c":
      return new Crc32(crc32c);
    case "crc64nvme":
      return new Crc64Nvme();
  }
}

class Crc32 implements Crc {
  #value = 0;
  constructor(readonly next: (bytes: Uint8Array, former?: number) => number) {}
  update(bytes: Uint8Array): void {
    this.#value = this.next(bytes, this.#value);
  }
  digest(): Uint8Array {
    const result = Buffer.allocUnsafe(4);
    result.writeUInt32BE(this.#value >>> 0);
    return result;
  }
}
