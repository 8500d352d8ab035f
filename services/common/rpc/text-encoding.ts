import { configureTextEncoding, getTextEncoding } from "@bufbuild/protobuf/wire";

let keeps = false;

/**
 * Has protobuf-es decode strings byte for byte. Its TextDecoder takes a leading U+FEFF for a byte order mark and drops
 * it, so that a key that begins with one would arrive, and be stored, as another key. Whoever puts messages into
 * bytes or out of them calls this first; the setting is the process's, and calling it again changes nothing.
 */
export function keepByteOrderMarks(): void {
  if (keeps) return;
  keeps = true;
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
  const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
  configureTextEncoding({
    ...getTextEncoding(),
    decodeUtf8: (bytes: Uint8Array, isStrict?: boolean) => (isStrict ? strict : lenient).decode(bytes),
  });
}
