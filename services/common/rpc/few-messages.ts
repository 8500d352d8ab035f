import { setDefaultHighWaterMark } from "node:stream";

/**
 * How many messages a stream of messages holds before it stops its source, in this process: one on its way and one
 * ahead. grpc-js makes its streams with Node's default of 16, which with chunks of 1 MiB is 16 MiB at each end of
 * each call; thirty readers that stopped held a gigabyte (test/process/split-back-pressure.test.ts). It has no option
 * for it.
 */
export function holdFewMessages(): void {
  setDefaultHighWaterMark(true, 2);
}
