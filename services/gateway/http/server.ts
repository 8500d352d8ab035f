import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Duplex } from "node:stream";
import { CairnError } from "../../common/errors/cairn-error";
import { newCall } from "../../common/rpc/call";
import { errorDocument } from "../answers/error-document";
import type { GatewayConfig } from "../config";

/** What the server tells about requests that node:http gives up on. */
export type ServerEvents = {
  /** A body broke off or was badly coded on this connection. False when no request is open on it. */
  onBrokenBody(socket: Duplex, error: CairnError): boolean;
  /** Calls back when the answer that is being made on this connection, if any, is written. */
  whenAnswered(socket: Duplex, done: () => void): void;
  /** A client waits for 100 Continue. */
  onExpectContinue(req: IncomingMessage, res: ServerResponse): void;
};

/** The HTTP server under the gateway. */
export function createHttpServer(
  listener: RequestListener,
  config: GatewayConfig,
  events: ServerEvents,
): Server {
  const server = createServer(
    {
      headersTimeout: config.headersTimeoutMs,
      keepAliveTimeout: config.keepAliveTimeoutMs,
      maxHeaderSize: config.maxHeaderBytes,
      // Bodies have a minimum rate, not a total time: a 5 TiB upload may take days.
      requestTimeout: 0,
      insecureHTTPParser: false,
      noDelay: true,
    },
    listener,
  );
  server.timeout = config.idleSocketMs;
  server.on("checkContinue", events.onExpectContinue);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
    answerBrokenRequest(error, socket, events),
  );
  return server;
}

/** What the parser of node:http refuses: two lengths, length and coding together, bad header fields, early ends. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex, events: ServerEvents): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  if (events.onBrokenBody(socket, brokenBody(error))) return;
  const [status, refusal] = brokenRequest(error);
  const { requestId } = newCall();
  const text = errorDocument(refusal, { dialect: "xml", resource: "", requestId });
  const answer =
    `HTTP/1.1 ${status}\r\nConnection: close\r\nx-amz-request-id: ${requestId}\r\n` +
    `Content-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  // The request before it on this connection may still wait for its own answer, which must not be mixed up with this.
  events.whenAnswered(socket, () => socket.end(answer));
}

function brokenBody(error: NodeJS.ErrnoException): CairnError {
  if (error.code === "HPE_INVALID_EOF_STATE") {
    return new CairnError("SIZE_MISMATCH", {
      message: "The connection ended before the body was as long as was said.",
    });
  }
  return new CairnError("INVALID_REQUEST", { message: "The body's chunked coding is broken." });
}

function brokenRequest(error: NodeJS.ErrnoException): [string, CairnError] {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return [
        "431 Request Header Fields Too Large",
        new CairnError("INVALID_REQUEST", { message: "The request's header is too large." }),
      ];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [
        "408 Request Timeout",
        new CairnError("INVALID_REQUEST", { message: "The request's header took too long." }),
      ];
    default:
      return [
        "400 Bad Request",
        new CairnError("INVALID_REQUEST", { message: "The request is not valid HTTP/1.1." }),
      ];
  }
}
