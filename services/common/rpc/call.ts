import { setMaxListeners } from "node:events";
import { CairnError } from "../errors/cairn-error";
import { randomHex } from "../ids/random-hex";
import { EndController, type EndSignal } from "../lifecycle/end-signal";

/**
 * What travels with every call, in process and over the wire: who asked first, until when, and how to stop it.
 * Handlers pass their own Call on to the calls that they make, so that one deadline and one cancellation cover a
 * whole request.
 */
export type Call = {
  /** One per request at the edge; in every log line and in every error answer. */
  readonly requestId: string;
  /** W3C Trace Context `traceparent`. */
  readonly traceparent: string;
  /**
   * Aborted when the caller goes away, the deadline passes, or the call is over; its reason is a CairnError. Work
   * that outlives its call needs a call of its own (`newCall`).
   */
  readonly signal: EndSignal;
  /** When the caller stops waiting, on this process's monotonic clock (`performance.now()`); undefined is never. */
  readonly deadlineAtMs?: number | undefined;
};

/** Why the signal of a call that is simply over is aborted; made once, as its stack says nothing. */
export const callOver = new CairnError("CANCELLED", { message: "The call is over." });

/** Starts a call that nobody upstream made: a background worker's, a test's, an edge's. */
export function newCall(options: { requestId?: string; signal?: EndSignal; timeoutMs?: number } = {}): Call {
  const trace = randomHex(24);
  const call: Call = {
    requestId: options.requestId ?? trace.slice(0, 16).toUpperCase(),
    traceparent: `00-${trace.slice(0, 32)}-${trace.slice(32)}-01`,
    signal: options.signal ?? new EndController().signal,
  };
  // A handler may make any number of calls under one signal: that is no leak.
  if (call.signal instanceof AbortSignal) setMaxListeners(0, call.signal);
  return options.timeoutMs === undefined
    ? call
    : { ...call, deadlineAtMs: performance.now() + options.timeoutMs };
}

/** The same call with a nearer deadline; a farther one changes nothing. */
export function withTimeout(call: Call, timeoutMs: number): Call {
  const { requestId, traceparent, signal } = call;
  const deadlineAtMs = Math.min(performance.now() + timeoutMs, call.deadlineAtMs ?? Number.POSITIVE_INFINITY);
  return { requestId, traceparent, signal, deadlineAtMs };
}

/** The same call under another signal, which should follow `call.signal`. */
export function withSignal({ requestId, traceparent, deadlineAtMs }: Call, signal: EndSignal): Call {
  return { requestId, traceparent, signal, deadlineAtMs };
}

/** Throws the reason when the call was cancelled or its deadline has passed. */
export function throwIfEnded(call: Call): void {
  if (call.signal.aborted) throw endReason(call.signal);
  if (call.deadlineAtMs !== undefined && performance.now() >= call.deadlineAtMs)
    throw new CairnError("DEADLINE_EXCEEDED");
}

/** Why a signal was aborted, as a CairnError. */
export function endReason(signal: EndSignal): CairnError {
  return signal.reason instanceof CairnError
    ? signal.reason
    : new CairnError("CANCELLED", { cause: signal.reason });
}
