import type { Client } from "@grpc/grpc-js";
import { ResetBudget, type ResetLimit, serverResetLimit } from "./reset-budget";

/** A call's share of a session. */
export type SessionCall = {
  readonly channel: Client;
  /** The call is over; `reset` when this end cut its stream short. */
  end(reset: boolean): void;
};

type Session = { readonly channel: Client; readonly budget: ResetBudget; calls: number };

/**
 * The HTTP/2 sessions to one address: one that new calls go to, and former ones until their last call is over.
 * A server closes a session, with all the calls on it, whose client resets too many streams, and a client that
 * leaves in the middle of a download is a reset. So a session takes a call only while the server would bear a reset
 * of every call on it: those who leave then cost those who stay nothing.
 */
export class GrpcSessions {
  readonly #open: () => Client;
  readonly #limit: ResetLimit;
  readonly #former = new Set<Session>();
  #current: Session;

  /** `open` gives a channel that shares its connection with no other. */
  constructor(open: () => Client, limit: ResetLimit = serverResetLimit) {
    this.#open = open;
    this.#limit = limit;
    this.#current = this.#fresh();
  }

  /** For one call, which must `end`. */
  begin(): SessionCall {
    if (this.#current.budget.left(performance.now()) <= this.#current.calls) this.#replace();
    const session = this.#current;
    session.calls += 1;
    let over = false;
    return {
      channel: session.channel,
      end: (reset) => {
        if (over) return;
        over = true;
        session.calls -= 1;
        if (reset) session.budget.spend(performance.now());
        if (session.calls === 0 && this.#former.delete(session)) session.channel.close();
      },
    };
  }

  close(): void {
    for (const { channel } of [this.#current, ...this.#former]) channel.close();
    this.#former.clear();
  }

  #replace(): void {
    if (this.#current.calls > 0) this.#former.add(this.#current);
    else this.#current.channel.close();
    this.#current = this.#fresh();
  }

  #fresh(): Session {
    return { channel: this.#open(), budget: new ResetBudget(this.#limit, performance.now()), calls: 0 };
  }
}
