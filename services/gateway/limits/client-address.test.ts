import { clientAddress, rateSubject } from "./client-address";

test.each([
  ["10.0.0.1", undefined, 0, "10.0.0.1"],
  ["::ffff:10.0.0.1", undefined, 0, "10.0.0.1"],
  ["10.0.0.1", "1.2.3.4", 0, "10.0.0.1"],
  ["10.0.0.1", "9.9.9.9, 1.2.3.4", 1, "1.2.3.4"],
  ["10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", 2, "1.2.3.4"],
  ["10.0.0.1", "1.2.3.4", 3, "1.2.3.4"],
  ["10.0.0.1", "nonsense", 1, "10.0.0.1"],
  ["10.0.0.1", undefined, 1, "10.0.0.1"],
  ["10.0.0.1", "[2001:db8::1]:443", 1, "2001:db8::1"],
  ["fe80::1%eth0", undefined, 0, "fe80::1"],
])("socket %s, X-Forwarded-For %s, %i trusted: %s", (socket, forwarded, trusted, expected) => {
  expect(clientAddress(socket, forwarded, trusted)).toBe(expected);
});

test("IPv6 is counted by /64, IPv4 by address", () => {
  expect(rateSubject("2001:db8:1:2:aaaa::1")).toBe(rateSubject("2001:0db8:0001:0002::ffff"));
  expect(rateSubject("2001:db8:1:2::1")).not.toBe(rateSubject("2001:db8:1:3::1"));
  expect(rateSubject("::1")).toBe("0:0:0:0::/64");
  expect(rateSubject("10.0.0.1")).toBe("10.0.0.1");
});
