import { type ErrorEntry, errorTable, grpcCodes } from "./table";

/** The page docs/errors.md, made from the table. `scripts/errors-doc.mjs` writes it; a test compares. */
export function errorsPage(): string {
  const rows = Object.entries(errorTable as Record<string, ErrorEntry>).map(([reason, entry]) => {
    const retry = entry.retryAfterSeconds === undefined ? "" : `${entry.retryAfterSeconds} s`;
    const grpc = `${entry.grpc} (${grpcCodes[entry.grpc]})`;
    return `| \`${reason}\` | ${entry.http} | \`${entry.s3}\` | ${grpc} | ${retry} | ${entry.sentence} |`;
  });
  return `${[...introduction, ...rows].join("\n")}\n`;
}

const introduction = [
  "# Errors",
  "",
  "<!-- Made from services/common/errors/table.ts by `node scripts/errors-doc.mjs`: change it there. -->",
  "",
  "Every failure has a reason of this table. Clients read the S3 code, in JSON and in XML alike; services read the",
  "reason, in the trailer `cairn-error-bin`. The sentence is the default: an answer",
  "says more precisely what was wrong, with which value, and what to do about it.",
  "",
  "A request that was refused has had no effect, but for the reason `OUTCOME_UNKNOWN`: then ask again, or look. Where a",
  "wait is given, it is sent as `Retry-After`.",
  "",
  "| reason | HTTP | S3 code | gRPC | wait | sentence |",
  "|---|---|---|---|---|---|",
];
