/** Texts that a log file holds already, each with its number: whoever encodes a body may refer to them. */
export type FileTexts = Map<string, number>;

/** A value that SQLite takes as a parameter. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** A statement that changed something, with what was bound to it. */
export type Statement = { readonly sql: string; readonly parameters: readonly SqlValue[] };

/** What one transaction of one database wrote, in order. Played again on the same state it gives the same state. */
export type Transaction = { readonly database: string; readonly statements: readonly Statement[] };

/** Texts that are kept by number within a log file; others are written out each time. */
const maxTexts = 2_000;

const tags = { null: 0, integer: 1, float: 2, bigint: 3, text: 4, bytes: 5, negative: 6 } as const;

/**
 * The body of a transaction's record. A text (the database's name, a statement) stands as 0 and the text when it is
 * new in its log file, where it gets the next number, or as its number; 1 and the text when it gets none. Numbers are
 * LEB128. A value is a tag and: an integer's number, of a negative one -n, a float's 8 bytes, a big integer's 8 bytes,
 * a text's or bytes' length and bytes.
 */
export function encodeTransaction(transaction: Transaction, texts: FileTexts): Buffer {
  const out = new Writer(256);
  out.reference(transaction.database, texts);
  out.count(transaction.statements.length);
  for (const { sql, parameters } of transaction.statements) {
    out.reference(sql, texts);
    out.count(parameters.length);
    for (const value of parameters) out.value(value);
  }
  return out.bytes();
}

/** Reads the bodies of one log file, which must be given in order, from its first record on. */
export class TransactionReader {
  readonly #texts: string[] = [];

  read(body: Buffer): Transaction {
    let at = 0;
    const count = (): number => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = body[at++] ?? 0;
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    const slice = () => {
      const length = count();
      at += length;
      return body.subarray(at - length, at);
    };
    const reference = (): string => {
      const number = count();
      if (number >= 2) return this.#texts[number - 2] ?? "";
      const text = slice().toString();
      if (number === 0) this.#texts.push(text);
      return text;
    };
    const value = (): SqlValue => {
      switch (body[at++]) {
        case tags.integer:
          return count();
        case tags.negative:
          return -count();
        case tags.float:
          at += 8;
          return body.readDoubleLE(at - 8);
        case tags.bigint:
          at += 8;
          return body.readBigInt64LE(at - 8);
        case tags.text:
          return slice().toString();
        case tags.bytes:
          return Buffer.from(slice());
        default:
          return null;
      }
    };
    const database = reference();
    const statements: Statement[] = [];
    for (let left = count(); left > 0; left--) {
      const sql = reference();
      const parameters: SqlValue[] = [];
      for (let values = count(); values > 0; values--) parameters.push(value());
      statements.push({ sql, parameters });
    }
    return { database, statements };
  }
}

class Writer {
  #buffer: Buffer;
  #at = 0;

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  count(value: number): void {
    this.#room(10);
    let rest = value;
    while (rest >= 128) {
      this.#buffer[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#at++] = rest;
  }

  reference(text: string, texts: FileTexts): void {
    const known = texts.get(text);
    if (known !== undefined) {
      this.count(known + 2);
      return;
    }
    const isKept = texts.size < maxTexts;
    if (isKept) texts.set(text, texts.size);
    this.count(isKept ? 0 : 1);
    this.#text(text);
  }

  value(value: SqlValue): void {
    this.#room(10);
    if (typeof value === "string") {
      this.#tag(tags.text);
      this.#text(value);
    } else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") {
      this.#tag(tags.bigint);
      this.#at = this.#buffer.writeBigInt64LE(value, this.#at);
    } else if (value === null) this.#tag(tags.null);
    else {
      this.#tag(tags.bytes);
      this.count(value.length);
      this.#room(value.length);
      this.#buffer.set(value, this.#at);
      this.#at += value.length;
    }
  }

  #number(value: number): void {
    // better-sqlite3 binds every JavaScript number as a float, which an INTEGER column turns into an integer.
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#tag(value < 0 ? tags.negative : tags.integer);
      this.count(Math.abs(value));
    } else {
      this.#tag(tags.float);
      this.#at = this.#buffer.writeDoubleLE(value, this.#at);
    }
  }

  #tag(tag: number): void {
    this.#buffer[this.#at++] = tag;
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text);
    this.count(length);
    this.#room(length);
    this.#at += this.#buffer.write(text, this.#at, "utf8");
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
