import { withTimeout } from "./call";
import type { Interceptor } from "./service";

/**
 * Gives every unary call a deadline, if it has no nearer one: a peer that is stopped, and so neither answers nor
 * closes its connection, must not hold a request for ever. Streams are watched by their progress instead.
 */
export function limitUnary(timeoutMs: number): Interceptor {
  return (method, next) =>
    method.methodKind === "unary" ? (request, call) => next(request, withTimeout(call, timeoutMs)) : next;
}
