import type { Writable } from "node:stream";
import { readClaim } from "../common/journal/claim-file";
import { blockBytes } from "../common/journal/journal-disk";
import { readFileHeader, readRecords } from "../common/journal/log-file";
import { type SqlValue, TransactionReader } from "../common/journal/statements";
import { nodeDisk } from "../storage/node-disk";

/** Longer values are cut: a dump is for people. */
const mostCharacters = 120;

/**
 * `cairn storage journal dump FILE`: prints a log file or `claim.json` of a journal folder, one line a record and one a
 * statement. True when it is sound up to where it ends; only reads, a running store's files too.
 */
export async function journalDump(file: string, out: Writable): Promise<boolean> {
  const say = (line: string) => out.write(`${line}\n`);
  if (file.endsWith("claim.json")) {
    const claim = await readClaim(nodeDisk, file.slice(0, -"/claim.json".length) || ".");
    say(claim === undefined ? "not sound" : JSON.stringify(claim, null, 2));
    return claim !== undefined;
  }
  const header = await readFileHeader(nodeDisk, file);
  if (header === undefined) {
    say("not the log file of a journal, or its header is damaged");
    return false;
  }
  say(`log file, format ${header.format}, of epoch ${header.epoch}, history ${header.history}`);
  say(
    `behind record ${header.previous.number} of epoch ${header.previous.epoch}, ${header.previousFile || "no file"}`,
  );
  say(`members ${header.members.join(", ")}; made ${new Date(header.madeAtMs).toISOString()}`);
  const reader = new TransactionReader();
  let count = 0;
  let endBytes = blockBytes;
  for await (const record of readRecords(nodeDisk, file, header)) {
    const { epoch, number, checksum } = record.position;
    count += 1;
    endBytes = record.endBytes;
    const transaction = record.kind === "transaction" ? reader.read(record.body) : undefined;
    const what = transaction === undefined ? record.body.toString() : transaction.database;
    say(`${epoch}/${number} ${checksum.toString(16).padStart(8, "0")} ${record.kind} ${what}`);
    for (const { sql, parameters } of transaction?.statements ?? [])
      say(`    ${sql.replaceAll(/\s+/g, " ")}  [${parameters.map(told).join(", ")}]`);
  }
  const restBytes = await soundlessBytes(file, endBytes);
  say(
    `${count} records, ${endBytes} bytes${restBytes > 0 ? `; behind them ${restBytes} bytes that are no record` : ""}`,
  );
  return restBytes === 0;
}

/** What lies behind the last sound record and is no padding: a torn write, or damage. */
async function soundlessBytes(file: string, endBytes: number): Promise<number> {
  const fd = await nodeDisk.open(file, "cache");
  try {
    const rest = Buffer.alloc(Math.max(0, (await nodeDisk.sizeOf(fd)) - endBytes));
    const read = rest.subarray(0, await nodeDisk.read(fd, rest, endBytes));
    return read.every((byte) => byte === 0) ? 0 : read.length;
  } finally {
    await nodeDisk.close(fd);
  }
}

function told(value: SqlValue): string {
  const text =
    value instanceof Uint8Array
      ? `x'${Buffer.from(value).toString("hex")}'`
      : typeof value === "string"
        ? JSON.stringify(value)
        : String(value);
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}…`;
}
