import { isUtf8 } from "node:buffer";
import { SaxesParser } from "saxes";
import { CairnError } from "../../common/errors/cairn-error";

export type XmlElement = {
  /** Without a namespace prefix. */
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
};

const maxDepth = 16;
const maxElements = 10_000;

/**
 * XML from a client, as a tree without attributes. No DOCTYPE, and so no entities of its own; bounded in depth and
 * in elements. Errors: MALFORMED_XML.
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  if (!isUtf8(bytes)) throw malformed("The body is not valid UTF-8.");
  const parser = new SaxesParser();
  const open: XmlElement[] = [];
  let root: XmlElement | undefined;
  let elements = 0;
  parser.on("error", (error) => {
    throw malformed(`The XML is not well-formed: ${error.message}.`);
  });
  parser.on("doctype", () => {
    throw malformed("A DOCTYPE is not accepted.");
  });
  parser.on("opentag", (tag) => {
    if (open.length === maxDepth) throw malformed(`The XML is nested deeper than ${maxDepth} levels.`);
    if (++elements > maxElements) throw malformed(`The XML has more than ${maxElements} elements.`);
    const element: XmlElement = { name: tag.name.slice(tag.name.indexOf(":") + 1), text: "", children: [] };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  const addText = (text: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += text;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")).close();
  if (root === undefined) throw malformed("The body holds no XML.");
  return root;
}

function malformed(message: string): CairnError {
  return new CairnError("MALFORMED_XML", { message });
}
