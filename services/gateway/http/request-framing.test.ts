import { checkFraming } from "./request-framing";

test("a second Host or Authorization field is refused, however it is written", () => {
  expect(() => checkFraming(["Host", "a", "HOST", "a"])).toThrow(
    expect.objectContaining({ reason: "INVALID_REQUEST" }),
  );
  expect(() => checkFraming(["authorization", "a", "Authorization", "b"])).toThrow();
  expect(() => checkFraming(["Host", "a", "Accept", "b", "Accept", "c", "Range", "bytes=0-1"])).not.toThrow();
});
