import { parseXml } from "./parse-xml";

test("a document becomes a tree, with prefixes taken off and references resolved", () => {
  expect(
    parseXml(
      Buffer.from(
        "<s:A xmlns:s='urn:x'><B>1 &amp; &#x2;</B><C><![CDATA[<]]></C></s:A>".replace("&#x2;", "2"),
      ),
    ),
  ).toEqual({
    name: "A",
    text: "",
    children: [
      { name: "B", text: "1 & 2", children: [] },
      { name: "C", text: "<", children: [] },
    ],
  });
});

test.each([
  ["a DOCTYPE", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
  ["an unknown entity", "<a>&b;</a>"],
  ["an open end", "<a><b></a>"],
  ["nothing", ""],
  ["too deep", `${"<a>".repeat(17)}${"</a>".repeat(17)}`],
  ["too many elements", `<a>${"<b/>".repeat(10_000)}</a>`],
  ["two roots", "<a/><b/>"],
])("%s is refused", (_name, text) => {
  expect(() => parseXml(Buffer.from(text))).toThrow(expect.objectContaining({ reason: "MALFORMED_XML" }));
});
