import { headerText } from "./header-text";

test("ASCII and Latin-1 pass, the rest goes as UTF-8 bytes, and no value can end its field", () => {
  expect(headerText("a b;c")).toBe("a b;c");
  expect(headerText("é")).toBe("é");
  expect(headerText("☃")).toBe("\u00e2\u0098\u0083");
  expect(headerText("a\r\nX-Evil: 1")).toBe("a  X-Evil: 1");
});
