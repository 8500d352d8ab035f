import { isUtf8 } from "node:buffer";
import { CairnError } from "../../common/errors/cairn-error";

const maxDepth = 16;

/** JSON from a client: bounded in depth, without `__proto__` as a name. Errors: MALFORMED_JSON. */
export function parseJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw malformed("The body is not valid UTF-8.");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  checkDepth(text);
  try {
    return JSON.parse(text, (name, value) => {
      if (name === "__proto__") throw malformed("A member may not be named __proto__.");
      return value;
    });
  } catch (error) {
    if (error instanceof CairnError) throw error;
    throw malformed("The body is not well-formed JSON.");
  }
}

/** Counts brackets outside of strings, before anything is built of them. */
function checkDepth(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22:
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > maxDepth) throw malformed(`The JSON is nested deeper than ${maxDepth} levels.`);
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  }
}

function malformed(message: string): CairnError {
  return new CairnError("MALFORMED_JSON", { message });
}
