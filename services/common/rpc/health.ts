import type { Client, Server } from "@grpc/grpc-js";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import { CairnError } from "../errors/cairn-error";
import { fromStatus } from "./wire";

/** What a process needs goes under names of its own in `grpc.health.v1`, as `List` tells them. */
const dependencyPrefix = "dependency/";

/** `grpc.health.v1` of one process: serving, until it drains. Needs no cluster secret. */
export type GrpcHealth = {
  addTo(server: Server): void;
  /** Shows what the process needs; a name that was shown once stays. */
  report(dependencies: readonly PeerDependency[]): void;
  drain(): void;
};

/** Something that a peer needs, as the peer last saw it. */
export type PeerDependency = { readonly name: string; readonly ok: boolean };

export function createGrpcHealth(serviceNames: readonly string[]): GrpcHealth {
  const names = ["", ...serviceNames];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, "SERVING" as const])),
  );
  return {
    addTo: (server) => health.addToServer(server as never),
    report: (dependencies) => {
      for (const { name, ok } of dependencies)
        health.setStatus(`${dependencyPrefix}${name}`, ok ? "SERVING" : "NOT_SERVING");
    },
    drain: () => {
      for (const name of names) health.setStatus(name, "NOT_SERVING");
    },
  };
}

/** One `List` over an existing connection: what the peer needs. Rejects when it does not answer, or is draining. */
export function askHealth(channel: Client, address: string, timeoutMs: number): Promise<PeerDependency[]> {
  const list = healthService.List;
  if (list === undefined) throw new Error("grpc.health.v1 has no List");
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest(
      list.path,
      list.requestSerialize,
      list.responseDeserialize,
      {},
      { deadline: Date.now() + timeoutMs },
      (error: Error | null, answer?: { statuses?: Record<string, { status: unknown }> }) => {
        if (error !== null) return reject(fromStatus(error, address));
        const statuses = Object.entries(answer?.statuses ?? {}).map(([name, { status }]) => ({
          name,
          ok: status === "SERVING" || status === 1,
        }));
        if (statuses.some(({ name, ok }) => name === "" && ok)) {
          const dependencies = statuses.filter(({ name }) => name.startsWith(dependencyPrefix));
          return resolve(
            dependencies.map(({ name, ok }) => ({ name: name.slice(dependencyPrefix.length), ok })),
          );
        }
        reject(new CairnError("SERVICE_UNAVAILABLE", { message: `${address} is draining` }));
      },
    );
  });
}
