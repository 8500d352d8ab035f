import { createServer, type Server, type ServerResponse } from "node:http";
import { ConfigError } from "../config/options";
import type { Metrics } from "../metrics/metrics";
import type { DependencyHealth } from "./running-service";

export type OpsServer = { readonly port: number; close(): Promise<void> };

/**
 * `/health/live`, `/health/ready` and `/metrics` of one process, for those who run it: not public, so it needs no key.
 * A shared dependency that is away does not make a process unready (it answers 503 itself); it is only shown.
 */
export async function startOpsServer(options: {
  readonly host: string;
  readonly port: number;
  readonly metrics: () => Promise<string>;
  readonly contentType: Metrics["contentType"];
  /** False while it starts and drains. */
  readonly ready: () => boolean;
  readonly dependencies: () => Promise<DependencyHealth[]>;
}): Promise<OpsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (path === "/health/live") return sendJson(response, 200, { status: "ok" });
    if (path === "/health/ready") return void sendReady(response);
    if (path === "/metrics") return void sendMetrics(response);
    sendJson(response, 404, { error: "one of /health/live, /health/ready, /metrics" });
  });

  async function sendReady(response: ServerResponse): Promise<void> {
    const dependencies = await options.dependencies();
    const ready = options.ready();
    sendJson(response, ready ? 200 : 503, { status: ready ? "ok" : "draining", dependencies });
  }

  async function sendMetrics(response: ServerResponse): Promise<void> {
    try {
      const text = await options.metrics();
      response.writeHead(200, { "content-type": options.contentType }).end(text);
    } catch {
      response.writeHead(500).end();
    }
  }

  await listen(server, options.host, options.port);
  const address = server.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

/** Listens. Throws ConfigError for an address that cannot be listened on, with what to change. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(unusableAddress(error, host, port));
    server.once("error", refuse);
    server.listen(port, host, () => {
      server.removeListener("error", refuse);
      resolve();
    });
  });
}

function unusableAddress(error: NodeJS.ErrnoException, host: string, port: number): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new ConfigError(
        `Port ${port} of ${host} is in use by another program (EADDRINUSE). Give another one with --port; 0 picks a free one.`,
      );
    case "EACCES":
      return new ConfigError(
        `Port ${port} of ${host} may not be used by this user: EACCES. Give another one.`,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new ConfigError(`"${host}" is no address of this machine: ${error.code}. Give another --host.`);
    default:
      return error;
  }
}
