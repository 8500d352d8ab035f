import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Counter, Gauge } from "prom-client";
import { toCairnError } from "../errors/cairn-error";
import type { Logger } from "../log/logger";
import { Durations } from "../metrics/durations";
import type { Metrics } from "../metrics/metrics";
import type { Call } from "./call";
import { endNoted } from "./end-noted";
import type { AnyMethod, Interceptor } from "./service";

/**
 * Rate, errors and duration of every RPC, and a log line for each error that is our own fault: what a peer is told
 * of an INTERNAL error says nothing, so the cause must be found under its request id here.
 */
export function observe(log: Logger, metrics: Metrics): Interceptor {
  const inFlight = new Map<string, { count: number }>();
  new Gauge({
    name: "cairn_rpc_in_flight",
    help: "RPCs being handled",
    labelNames: ["rpc"],
    registers: [metrics],
    collect() {
      for (const [rpc, { count }] of inFlight) this.set({ rpc }, count);
    },
  });
  const errors = new Counter({
    name: "cairn_rpc_errors_total",
    help: "RPCs that failed, by reason",
    labelNames: ["rpc", "reason"],
    registers: [metrics],
  });
  const seconds = new Durations({
    name: "cairn_rpc_duration_seconds",
    help: "How long RPCs took, streams to their end",
    labelNames: ["rpc"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registry: metrics,
  });

  return (method: DescMethod, next: AnyMethod): AnyMethod => {
    const rpc = `${method.parent.name}.${method.name}`;
    const duration = seconds.of(rpc);
    const running = inFlight.get(rpc) ?? { count: 0 };
    inFlight.set(rpc, running);
    const begin = () => {
      running.count += 1;
      const startedAtMs = performance.now();
      return () => {
        running.count -= 1;
        duration.observe((performance.now() - startedAtMs) / 1000);
      };
    };
    const note = (thrown: unknown, call: Call) => {
      const error = toCairnError(thrown);
      errors.labels(rpc, error.reason).inc();
      if (error.reason === "INTERNAL")
        log.error({ err: error.cause ?? error, rpc, requestId: call.requestId }, "rpc failed");
    };
    if (method.methodKind === "server_streaming") {
      return (request: Message, call) => {
        const end = begin();
        try {
          return endNoted(next(request, call), (error) => {
            if (error !== undefined) note(error, call);
            end();
          });
        } catch (error) {
          note(error, call);
          end();
          throw error;
        }
      };
    }
    return (input: unknown, call) => {
      const end = begin();
      const fail = (error: unknown) => {
        note(error, call);
        end();
        throw error;
      };
      try {
        return (next(input, call) as Promise<Message>).then((response) => {
          end();
          return response;
        }, fail);
      } catch (error) {
        return fail(error);
      }
    };
  };
}
