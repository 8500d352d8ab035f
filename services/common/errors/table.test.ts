import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CairnError, hasReason, toCairnError } from "./cairn-error";
import { errorsPage } from "./errors-page";
import { reasonsInCode, reasonsInProto } from "./reasons-used";
import { type ErrorEntry, errorTable, grpcCodes, isReason } from "./table";

const root = join(__dirname, "../../..");
const entries = Object.entries(errorTable as Record<string, ErrorEntry>);

function files(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

const read = (file: string) => readFileSync(join(root, file), "utf8");

test("docs/errors.md says what the table says (else run: node scripts/errors-doc.mjs)", () => {
  expect(read("docs/errors.md")).toBe(errorsPage());
});

test("every reason that a contract promises is in the table", () => {
  const promised = files("proto", ".proto").flatMap((file) =>
    reasonsInProto(read(file)).map((reason) => ({ file, reason })),
  );
  expect(promised.length).toBeGreaterThan(30);
  expect(promised.filter(({ reason }) => !isReason(reason))).toEqual([]);
});

test("every reason that code names is in the table", () => {
  const sources = files("services", ".ts").filter((file) => !file.endsWith(".test.ts"));
  const named = sources.flatMap((file) => reasonsInCode(read(file)).map((reason) => ({ file, reason })));
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ reason }) => !isReason(reason))).toEqual([]);
});

test("the search for reasons finds a planted one", () => {
  expect(
    reasonsInProto("// Makes it.\n  // Errors: NO_SUCH_THING,\n  // BAD_ONE. Retry: yes; NEVER_MIND."),
  ).toEqual(["NO_SUCH_THING", "BAD_ONE"]);
  expect(reasonsInCode('throw new CairnError(\n  "NOT_THERE");\nhasReason(e, "ONE", "TWO")')).toEqual([
    "NOT_THERE",
    "ONE",
    "TWO",
  ]);
});

test.each(entries)("%s is an entry that an edge can answer with", (_, entry) => {
  expect(grpcCodes[entry.grpc]).toBeGreaterThan(0);
  expect(entry.http).toBeGreaterThanOrEqual(400);
  expect(entry.http).toBeLessThan(600);
  expect(entry.s3).toMatch(/^[A-Z][A-Za-z]+$/);
  expect(entry.sentence).toMatch(/^[A-Z].*\.$/);
  // What may pass by itself is told as such on both edges, and nothing else is.
  if (entry.grpc === "UNAVAILABLE") expect(entry.http).toBe(503);
});

test("what is not ours becomes INTERNAL with its text kept out of the answer", () => {
  const error = toCairnError(new TypeError("x is not a function"));
  expect(error).toMatchObject({ reason: "INTERNAL", message: errorTable.INTERNAL.sentence });
  expect(error.cause).toBeInstanceOf(TypeError);
  expect(toCairnError(Object.assign(new Error("stop"), { name: "AbortError" })).reason).toBe("CANCELLED");
  expect(hasReason(new CairnError("NO_SUCH_KEY"), "NO_SUCH_USER", "NO_SUCH_KEY")).toBe(true);
  expect(hasReason(new Error("NO_SUCH_KEY"), "NO_SUCH_KEY")).toBe(false);
});
