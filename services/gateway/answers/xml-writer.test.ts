import { escapeXml, XmlWriter } from "./xml-writer";

test("markup, quotes and control characters are escaped", () => {
  expect(escapeXml(`a&<>"\r\n\u0001é😀`)).toBe("a&amp;&lt;&gt;&quot;&#xD;&#xA;&#x1;é😀");
});

test("a document closes what it opened and leaves undefined elements out", () => {
  const xml = new XmlWriter()
    .open("A", "urn:x")
    .element("B", 1)
    .element("C", undefined)
    .open("D")
    .element("E", "<")
    .end();
  expect(xml).toBe('<?xml version="1.0" encoding="UTF-8"?>\n<A xmlns="urn:x"><B>1</B><D><E>&lt;</E></D></A>');
});
