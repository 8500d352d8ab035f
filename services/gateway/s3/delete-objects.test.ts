import { parseWanted } from "./delete-objects";

const xml = (text: string) => parseWanted(Buffer.from(text), "application/xml");
const json = (value: unknown) =>
  parseWanted(Buffer.from(JSON.stringify(value)), "application/json; charset=utf-8");

test("both forms name the same", () => {
  const wanted = { keys: ["a", " b/é "], quiet: true };
  expect(
    xml("<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key> b/é </Key></Object></Delete>"),
  ).toEqual(wanted);
  expect(json({ objects: [{ key: "a" }, { key: " b/é " }], quiet: true })).toEqual(wanted);
});

test("1,000 keys pass, none and 1,001 do not", () => {
  const objects = Array.from({ length: 1001 }, (_, i) => ({ key: `k${i}` }));
  expect(json({ objects: objects.slice(1) }).keys).toHaveLength(1000);
  expect(() => json({ objects })).toThrow(expect.objectContaining({ reason: "MALFORMED_JSON" }));
  expect(() => json({ objects: [] })).toThrow(expect.objectContaining({ reason: "MALFORMED_JSON" }));
  const elements = objects.map(({ key }) => `<Object><Key>${key}</Key></Object>`).join("");
  expect(() => xml(`<Delete>${elements}</Delete>`)).toThrow(
    expect.objectContaining({ reason: "MALFORMED_XML" }),
  );
});

test("a version is refused, not deleted as the current one", () => {
  expect(() => xml("<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>")).toThrow(
    expect.objectContaining({ reason: "NOT_IMPLEMENTED" }),
  );
  expect(() => json({ objects: [{ key: "a", versionId: "1" }] })).toThrow(
    expect.objectContaining({ reason: "MALFORMED_JSON" }),
  );
});
