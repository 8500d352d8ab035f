import { createHash } from "node:crypto";

export type HashName = "md5" | "sha1" | "sha256";

/** The hash of bytes that come in pieces. */
export type StreamHash = {
  /** Takes the next bytes, which may change once this has returned. A promise when the next must wait (I7). */
  update(bytes: Uint8Array): Promise<void> | undefined;
  /** Ends it. */
  digest(): Promise<Uint8Array>;
  /** Releases what it holds; for a body that is given up. */
  abandon(): void;
};

/** Where hashes of long bodies are computed. */
export type HashMaker = (name: HashName) => StreamHash;

/** On the thread that asks. */
export const hashHere: HashMaker = (name) => {
  const hash = createHash(name);
  return {
    update: (bytes) => {
      hash.update(bytes);
      return undefined;
    },
    digest: async () => hash.digest(),
    abandon: () => {},
  };
};
