import type { Client, Server } from "@grpc/grpc-js";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import { CairnError } from "../errors/cairn-error";
import { fromStatus } from "./wire";

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

/** One `Check` over an existing connection. */
export function pingHealth(channel: Client, address: string, timeoutMs: number): Promise<void> {
  const check = healthService.Check;
  if (check === undefined) throw new Error("grpc.health.v1 has no Check");
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest(
      check.path,
      check.requestSerialize,
      check.responseDeserialize,
      { service: "" },
      { deadline: Date.now() + timeoutMs },
      (error: Error | null, answer?: { status?: unknown }) => {
        if (error !== null) return reject(fromStatus(error, address));
        if (answer?.status === "SERVING" || answer?.status === 1) return resolve();
        reject(new CairnError("SERVICE_UNAVAILABLE", { message: `${address} is draining` }));
      },
    );
  });
}
