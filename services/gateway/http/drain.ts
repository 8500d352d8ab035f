import type { Server } from "node:http";

/**
 * Stops listening, lets requests in flight end, closes idle connections; after the grace cuts what is left. Answers
 * carry Connection: close meanwhile, so that no client begins another request on its connection.
 */
export function drainServer(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    cut.unref();
    // A server that does not listen calls back with an error, which here means the same: nothing is open.
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
