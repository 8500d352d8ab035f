import { randomUUID } from "node:crypto";
import type { IdentityService, Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { startWorker, type Worker } from "../../common/lifecycle/worker";
import type { Logger } from "../../common/log/logger";
import { newCall } from "../../common/rpc/call";
import type { ServiceClient } from "../../common/rpc/service";
import type { Clock } from "../../common/time/clock";
import { rateSubject } from "./client-address";
import { RateWindows, secondsToReset } from "./rate-windows";

/** Decides before any body byte whether a request goes on (I6), and says on every answer how much is left. */
export class RateLimiter {
  readonly #windows = new RateWindows();
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #reporter: Worker;

  constructor(options: {
    readonly perMinute: number;
    readonly identity: ServiceClient<typeof IdentityService>;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#perMinute = options.perMinute;
    this.#clock = options.clock;
    const gatewayId = randomUUID();
    this.#reporter = startWorker({
      name: "rate-report",
      clock: options.clock,
      log: options.log,
      idleMs: 1000,
      step: async (signal) => {
        const counts = this.#windows.takeReport(options.clock.nowMs());
        if (counts.length === 0) return false;
        try {
          const answer = await options.identity.reportRates(
            { gatewayId, counts },
            newCall({ signal, timeoutMs: 1000 }),
          );
          this.#windows.takeSums(answer.sums);
        } catch (error) {
          // Counting goes on locally; the next report brings the gateways together again.
          options.log.debug({ err: error }, "rates were not reconciled");
        }
        return false;
      },
    });
  }

  /**
   * Counts one request; writes the RateLimit fields into `headers`. Bearer keys with a quota of their own count by
   * key, all others by address; a quota of -1 is not counted. Errors: RATE_LIMITED.
   */
  check(principal: Principal | undefined, clientAddress: string, headers: string[]): void {
    const own = principal?.requestsPerMinute ?? 0;
    const limit = own === 0 ? this.#perMinute : own;
    if (own < 0 || limit === 0) return;
    const nowMs = this.#clock.nowMs();
    const subject =
      own > 0 && principal !== undefined ? `key:${principal.keyId}` : rateSubject(clientAddress);
    const requests = this.#windows.add(subject, nowMs);
    const reset = secondsToReset(nowMs);
    headers.push(
      "RateLimit-Limit",
      String(limit),
      "RateLimit-Remaining",
      String(Math.max(0, limit - requests)),
      "RateLimit-Reset",
      String(reset),
    );
    if (requests > limit) {
      throw new CairnError("RATE_LIMITED", {
        message: `More than ${limit} requests in this minute.`,
        hint:
          own > 0
            ? `Wait ${reset} s; an admin can change the key's requestsPerMinute.`
            : `Wait ${reset} s, or use a key with requests a minute of its own.`,
        params: { retry_after_seconds: String(reset) },
      });
    }
  }

  close(): Promise<void> {
    return this.#reporter.close();
  }
}
