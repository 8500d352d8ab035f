import { type CairnError, toCairnError } from "../../common/errors/cairn-error";
import type { Answer } from "../answers/answer";
import { sendAnswer, sendError } from "../answers/send";
import type { Authenticator } from "../auth/authenticate";
import type { Exchange } from "../http/exchange";
import type { RateLimiter } from "../limits/rate-limiter";

/** One thing that the edge can do, S3 or admin API, as logs and metrics name it. */
export type Operation = {
  readonly name: string;
  /** required: 401 without a key. optional: goes on without one, not with a bad one. none: keys are not looked at. */
  readonly key: "required" | "optional" | "none";
  /** False for health checks alone: a probe that is refused would restart a healthy process. */
  readonly limited: boolean;
  handle(exchange: Exchange): Promise<Answer>;
};

/**
 * The order of DESIGN §10, for every operation: key, rate limit, then the operation, which authorises and validates
 * before it reads a body byte (I6).
 */
export class Pipeline {
  readonly #authenticator: Authenticator;
  readonly #limiter: RateLimiter;

  constructor(authenticator: Authenticator, limiter: RateLimiter) {
    this.#authenticator = authenticator;
    this.#limiter = limiter;
  }

  /** Runs an operation and writes its answer or its error; never rejects. */
  async run(exchange: Exchange, operation: Operation): Promise<void> {
    exchange.operation = operation.name;
    try {
      if (operation.key === "none") {
        if (operation.limited) this.#limiter.check(undefined, exchange.clientAddress, exchange.commonHeaders);
      } else await this.#admit(exchange, operation);
      await sendAnswer(exchange, await operation.handle(exchange));
    } catch (error) {
      sendError(exchange, toCairnError(error));
    }
  }

  /** For what cannot be routed: counted like an anonymous request. */
  refuse(exchange: Exchange, error: CairnError): void {
    try {
      this.#limiter.check(undefined, exchange.clientAddress, exchange.commonHeaders);
      sendError(exchange, error);
    } catch (limited) {
      sendError(exchange, toCairnError(limited));
    }
  }

  async #admit(exchange: Exchange, operation: Operation): Promise<void> {
    let refusal: CairnError | undefined;
    try {
      exchange.principal = await this.#authenticator.authenticate(
        {
          authorization: exchange.req.headers.authorization,
          signedQuery: exchange.target?.query.has("X-Amz-Signature") === true,
        },
        exchange.clientAddress,
        exchange.call,
      );
    } catch (error) {
      refusal = toCairnError(error);
      // Only what says something about the key counts: a database that is away uses up nobody's quota.
      if (refusal.entry.http !== 401) throw refusal;
    }
    if (operation.limited)
      this.#limiter.check(exchange.principal, exchange.clientAddress, exchange.commonHeaders);
    if (refusal !== undefined && !(operation.key === "optional" && refusal.reason === "MISSING_KEY"))
      throw refusal;
  }
}
