import type { ServerResponse } from "node:http";
import { CairnError } from "../../common/errors/cairn-error";
import type { Exchange } from "../http/exchange";
import type { Answer, ByteStream } from "./answer";
import { errorDocument, errorHeaders } from "./error-document";

/** An unread body up to this long is read and dropped, so that the connection can go on. */
const keptUnreadBytes = 256 * 1024;
/** A longer one ends the connection; so much is still taken, so that the client reads the answer before the reset. */
const lingerBytes = 4 * 1024 * 1024;
const lingerMs = 2_000;

/** Writes an answer. Rejects with what the stream failed with while nothing was sent yet; afterwards cuts the connection. */
export async function sendAnswer(exchange: Exchange, answer: Answer): Promise<void> {
  if (answer.stream !== undefined) return sendStream(exchange, answer, answer.stream);
  const { body } = answer;
  const headers = [...exchange.answerHeaders(), ...answer.headers];
  if (body !== undefined) {
    headers.push("Content-Type", body.contentType, "Content-Length", String(Buffer.byteLength(body.text)));
  } else if (answer.status !== 204 && answer.status !== 304 && exchange.req.method !== "HEAD") {
    headers.push("Content-Length", "0");
  }
  finish(exchange, answer.status, headers, exchange.req.method === "HEAD" ? "" : (body?.text ?? ""));
}

/** Writes an error, or cuts the connection where an answer has begun or nobody listens. */
export function sendError(exchange: Exchange, error: CairnError): void {
  exchange.failure = error;
  const { res, req } = exchange;
  if (res.headersSent || res.destroyed || error.entry.http === 499) {
    res.destroy();
    return;
  }
  const headers = [...exchange.answerHeaders(), ...errorHeaders(error)];
  const closes = error.reason === "BODY_TOO_SLOW" || exchange.body.broken;
  if (req.method === "HEAD") {
    finish(exchange, error.entry.http, headers, "", closes);
    return;
  }
  const text = errorDocument(error, {
    dialect: exchange.dialect,
    resource: Buffer.from(exchange.rawPath, "latin1").toString("utf8"),
    requestId: exchange.requestId,
  });
  headers.push(
    "Content-Type",
    exchange.dialect === "json" ? "application/json" : "application/xml",
    "Content-Length",
    String(Buffer.byteLength(text)),
  );
  finish(exchange, error.entry.http, headers, text, closes);
}

/** Ends an answer whose request may have a body that nobody read. */
function finish(exchange: Exchange, status: number, headers: string[], text: string, closes = false): void {
  const { res, body } = exchange;
  exchange.bytesOut += Buffer.byteLength(text);
  if (!body.unread && !closes) {
    res.writeHead(status, headers);
    res.end(text);
    return;
  }
  const left =
    body.declaredBytes === undefined ? Number.POSITIVE_INFINITY : body.declaredBytes - body.receivedBytes;
  if (left <= keptUnreadBytes && !body.heldBack && !closes) {
    res.writeHead(status, headers);
    res.end(text);
    body.discard(left, lingerMs * 10, () => {});
    return;
  }
  // A client that still holds its body back may or may not send it: the connection cannot be used again.
  setConnectionClose(headers);
  res.writeHead(status, headers);
  if (body.heldBack || closes) {
    res.end(text);
    return;
  }
  res.write(text);
  body.discard(lingerBytes, lingerMs, () => res.end());
}

async function sendStream(exchange: Exchange, answer: Answer, stream: ByteStream): Promise<void> {
  const { res } = exchange;
  try {
    let chunk = stream.lengthBytes === 0 ? undefined : await stream.next();
    if (res.destroyed) return;
    res.writeHead(answer.status, [...exchange.answerHeaders(), ...answer.headers]);
    while (chunk !== undefined) {
      exchange.bytesOut += chunk.length;
      if (exchange.bytesOut === stream.lengthBytes) {
        res.end(chunk);
        return;
      }
      if (!res.write(chunk)) await drained(res);
      if (res.destroyed) return;
      chunk = await stream.next();
    }
    if (exchange.bytesOut !== stream.lengthBytes)
      throw new CairnError("INTERNAL", { message: "The object's stream ended early." });
    res.end();
  } finally {
    stream.close();
  }
}

/** Waits until the client has taken what was written, or is gone. */
function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (res.destroyed) return resolve();
    const done = () => {
      res.off("drain", done).off("close", done);
      resolve();
    };
    res.on("drain", done).on("close", done);
  });
}

function setConnectionClose(headers: string[]): void {
  if (!headers.includes("Connection")) headers.push("Connection", "close");
}
