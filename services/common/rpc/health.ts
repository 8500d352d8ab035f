import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

/** `grpc.health.v1` of one process: serving, until it drains. Needs no cluster secret. */
export type GrpcHealth = { addTo(server: Server): void; drain(): void };

export function createGrpcHealth(serviceNames: readonly string[]): GrpcHealth {
  const names = ["", ...serviceNames];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, "SERVING" as const])),
  );
  return {
    addTo: (server) => health.addToServer(server as never),
    drain: () => {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
    },
  };
}
