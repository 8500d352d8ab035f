/** What an operation answers; one place writes it to the wire. */
export type Answer = {
  readonly status: number;
  /** Flat: name, value, name, value. */
  readonly headers: string[];
  readonly body?: { readonly contentType: string; readonly text: string };
  /** A body that is pulled as the client takes it. Its type and length are among the headers. */
  readonly stream?: ByteStream;
};

export type ByteStream = {
  readonly lengthBytes: number;
  /** The next bytes; undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Releases what it holds, ended or not (I8). */
  close(): void;
};

export function jsonAnswer(status: number, value: unknown, headers: string[] = []): Answer {
  return { status, headers, body: { contentType: "application/json", text: JSON.stringify(value) } };
}

export function xmlAnswer(status: number, text: string, headers: string[] = []): Answer {
  return { status, headers, body: { contentType: "application/xml", text } };
}

export function emptyAnswer(status: number, headers: string[] = []): Answer {
  return { status, headers };
}
