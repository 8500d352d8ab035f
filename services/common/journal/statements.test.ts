import fc from "fast-check";
import { encodeTransaction, type Transaction, TransactionReader } from "./statements";

const value = fc.oneof(
  fc.constant(null),
  fc.double({ noNaN: true }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: "binary" }).map((text) => Buffer.from(text).toString()),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const transaction: fc.Arbitrary<Transaction> = fc.record({
  database: fc.constantFrom("metadata", "identity"),
  statements: fc.array(
    fc.record({ sql: fc.constantFrom("insert", "update", "delete é"), parameters: fc.array(value) }),
  ),
});

test("what a file's transactions wrote is read as it was, each text kept once", () => {
  fc.assert(
    fc.property(fc.array(transaction, { maxLength: 8 }), (transactions) => {
      const texts = new Map<string, number>();
      const bodies = transactions.map((one) => encodeTransaction(one, texts));
      const reader = new TransactionReader();
      expect(bodies.map((body) => reader.read(body))).toEqual(transactions);
    }),
  );
});

test("texts beyond the limit are written out each time and read all the same", () => {
  const texts = new Map<string, number>();
  const statements = Array.from({ length: 2_500 }, (_, index) => ({
    sql: `s${index % 2_300}`,
    parameters: [],
  }));
  const one = { database: "metadata", statements };
  expect(new TransactionReader().read(encodeTransaction(one, texts))).toEqual(one);
  expect(texts.size).toBe(2_000);
});
