/**
 * A value as node:http can send it. Header fields are bytes; what lies beyond Latin-1 goes out as its UTF-8 bytes,
 * as S3 does, and control characters, which would end the field, become spaces.
 */
export function headerText(value: string): string {
  if (plain.test(value)) return value;
  const bytes = /[\u0100-\uffff]/.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value;
  return bytes.replace(controls, " ");
}

const plain = /^[\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be sent
const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/g;
