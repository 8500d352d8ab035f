import fc from "fast-check";
import { Crc64Nvme } from "./crc64nvme";

test("the published check value", () => {
  expect(new Crc64Nvme().update(Buffer.from("123456789")).digest().toString("hex")).toBe("ae8b14860a799888");
});

test("no bytes give zero", () => {
  expect(new Crc64Nvme().digest().toString("hex")).toBe("0000000000000000");
});

test("pieces give what the whole gives, and what one bit at a time gives", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
      const whole = new Crc64Nvme().update(bytes).digest();
      const pieces = new Crc64Nvme().update(bytes.subarray(0, cut)).update(bytes.subarray(cut)).digest();
      expect(pieces).toEqual(whole);
      expect(whole.readBigUInt64BE()).toBe(bitwise(bytes));
    }),
  );
});

function bitwise(bytes: Uint8Array): bigint {
  let crc = 0xffffffffffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n;
  }
  return crc ^ 0xffffffffffffffffn;
}
