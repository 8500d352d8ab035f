/**
 * Writes XML as S3 does: element text escaped, control characters as character references. XML 1.0 has no way to
 * write most of them; S3 sends them so all the same, and clients that must be sure ask for encoding-type=url.
 */
export class XmlWriter {
  #text = '<?xml version="1.0" encoding="UTF-8"?>\n';
  readonly #open: string[] = [];

  /** Opens an element; `namespace` is given on roots of S3 answers. */
  open(name: string, namespace?: string): this {
    this.#text += namespace === undefined ? `<${name}>` : `<${name} xmlns="${escapeXml(namespace)}">`;
    this.#open.push(name);
    return this;
  }

  close(): this {
    this.#text += `</${this.#open.pop()}>`;
    return this;
  }

  /** An element with text; left out when the value is undefined. */
  element(name: string, value: string | number | bigint | boolean | undefined): this {
    if (value === undefined) return this;
    this.#text += `<${name}>${typeof value === "string" ? escapeXml(value) : value}</${name}>`;
    return this;
  }

  /** The document, with whatever is open closed. */
  end(): string {
    while (this.#open.length > 0) this.close();
    return this.#text;
  }
}

export const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const special = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const specials = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g;

export function escapeXml(text: string): string {
  if (!special.test(text)) return text;
  return text.replace(specials, (character) => {
    switch (character) {
      case "&":
        return "&amp;";
      case "<":
        return "&lt;";
      case ">":
        return "&gt;";
      case '"':
        return "&quot;";
      default:
        return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
    }
  });
}
