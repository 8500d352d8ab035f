import fc from "fast-check";
import { httpDate, isoDate } from "./dates";

test("dates are what JavaScript's own formats give, to the year 9999", () => {
  const moments = fc.bigInt({ min: -62_135_596_800_000n, max: 253_402_300_799_999n });
  fc.assert(
    fc.property(moments, (ms) => {
      expect(isoDate(ms)).toBe(new Date(Number(ms)).toISOString());
      expect(httpDate(ms)).toBe(new Date(Number(ms)).toUTCString());
    }),
  );
});

test("the day changes at midnight, in either direction", () => {
  expect(isoDate(1_764_201_599_999n)).toBe("2025-11-26T23:59:59.999Z");
  expect(isoDate(1_764_201_600_000n)).toBe("2025-11-27T00:00:00.000Z");
  expect(httpDate(1_764_201_599_999n)).toBe("Wed, 26 Nov 2025 23:59:59 GMT");
  expect(httpDate(0n)).toBe("Thu, 01 Jan 1970 00:00:00 GMT");
});
