import type { DependencyHealth } from "../../common/lifecycle/running-service";
import type { Clock } from "../../common/time/clock";
import { jsonAnswer } from "../answers/answer";
import { isFullAdmin } from "../auth/authorise";
import type { Operation } from "./pipeline";

/** How long an answer of the dependencies is used again: anybody may ask, as often as they like. */
const freshMs = 1_000;

/** `/_/health/live`, `/_/health/ready` and `/health` (DESIGN §10): ok or not for everybody, why not for admins. */
export function healthOperations(options: {
  readonly health: () => Promise<DependencyHealth[]>;
  readonly clock: Clock;
  readonly isDraining: () => boolean;
}): { live: Operation; ready: Operation; readyForAdmins: Operation } {
  let known: { states: Promise<DependencyHealth[]>; untilMs: number } | undefined;
  const ask = () => {
    const nowMs = options.clock.monotonicMs();
    if (known === undefined || known.untilMs <= nowMs)
      known = { states: options.health(), untilMs: nowMs + freshMs };
    return known.states;
  };
  const ready = async (detailed: boolean) => {
    const dependencies = await ask();
    const draining = options.isDraining();
    const whole = dependencies.every((dependency) => dependency.ok);
    const status = draining ? "draining" : whole ? "ok" : "degraded";
    // A shared dependency that is away makes no gateway unready (D§3): all would leave their balancer at once, and
    // clients would get its error instead of our 503 that says why.
    return jsonAnswer(draining ? 503 : 200, detailed ? { status, dependencies } : { status }, [
      "Cache-Control",
      "no-store",
    ]);
  };
  return {
    live: {
      name: "HealthLive",
      key: "none",
      limited: false,
      handle: async () => jsonAnswer(200, { status: "ok" }, ["Cache-Control", "no-store"]),
    },
    ready: { name: "HealthReady", key: "none", limited: false, handle: () => ready(false) },
    readyForAdmins: {
      name: "HealthReady",
      key: "required",
      limited: true,
      handle: (exchange) => ready(exchange.principal !== undefined && isFullAdmin(exchange.principal)),
    },
  };
}
