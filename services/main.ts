import { setTimeout as delay } from "node:timers/promises";
import { Argument, Command, Option } from "commander";
import { version } from "../package.json";
import { acceptLoss } from "./cli/admin-accept-loss";
import { type AdminTarget, adminClient } from "./cli/admin-client";
import { newAdminKey } from "./cli/admin-new-key";
import { replaceFolder } from "./cli/admin-replace-folder";
import {
  type AdminSession,
  acceptHistory,
  drain,
  locate,
  rebalance,
  remove,
  scrub,
  showHealing,
  showNodes,
  verify,
} from "./cli/admin-verbs";
import { journalDump } from "./cli/journal-dump";
import { addFlags, flagsOf } from "./cli/options";
import { processLog } from "./cli/process-log";
import { serve } from "./cli/serve";
import { runService } from "./cli/service";
import { split } from "./cli/split";
import { storageDump } from "./cli/storage-dump";
import { storageReindex } from "./cli/storage-reindex";
import { threadPoolSize } from "./cli/thread-pool";
import { ConfigError, readSettings, type Settings } from "./common/config/options";
import { CairnError, hasReason } from "./common/errors/cairn-error";
import { JournalUnusable } from "./common/journal/start-options";
import { FolderHeldError } from "./common/lifecycle/folder-lock";
import { NewerSchemaError } from "./common/sql/migrate";
import { type Role, roles } from "./compose";

/** The only reader of the environment. */
function settingsOf(flags: Record<string, unknown>): Settings {
  const settings = readSettings(flagsOf(flags), process.env);
  process.env.UV_THREADPOOL_SIZE ??= String(threadPoolSize(settings));
  return settings;
}

/** As `| head` leaves: nobody reads any more, which is no error. */
function untilNobodyReads(): void {
  process.stdout.on("error", () => process.exit(0));
}

const shared = ["data", "host", "shutdownGrace", "logLevel", "logFormat"] as const;
const edge = ["rateLimit", "trustedProxies", "region", "minBodyRate"] as const;
const bytes = [
  "reserve",
  "deleteGrace",
  "orphanGrace",
  "nodeLossGrace",
  "healRate",
  "scrubInterval",
  "masterKeyFile",
] as const;

const program = new Command("cairn")
  .description("An S3-compatible object store that keeps three verified copies of every byte.")
  .version(version);

addFlags(program.command("serve"), [...shared, "port", ...edge, ...bytes])
  .description("run the whole store in this process")
  .action((flags) => serve(settingsOf(flags)));

addFlags(program.command("service"), [...shared, "port", "opsPort", ...edge, ...bytes, "zone"])
  .description("run one service; it finds the others by environment variables")
  .addArgument(new Argument("<role>").choices(roles))
  .action((role: Role, flags) => runService(role, settingsOf(flags)));

addFlags(program.command("split"), shared)
  .description("run the six services as processes of their own, with a PostgreSQL, for development")
  .action((flags) => split(settingsOf(flags), __filename, process.env));

const admin = program.command("admin").description("look after a store from its own machine");
addFlags(admin.command("new-key"), ["data", "masterKeyFile"])
  .description("make another admin key, as when the first one was lost")
  .action(async (flags) => {
    process.stdout.write(`Admin API Key: ${await newAdminKey(settingsOf(flags))}\n`);
  });

addFlags(admin.command("accept-loss"), ["data"])
  .description(
    "go on from the one journal folder that is left when two of the three are lost; with the store stopped. Says what that means, and does it with --yes",
  )
  .option("--yes", "do it")
  .action(async (flags) => {
    const { text, done } = await acceptLoss(settingsOf(flags), flags.yes === true);
    process.stdout.write(`${text}\n`);
    if (!done) process.exitCode = 1;
  });
addFlags(admin.command("replace-folder"), ["data"])
  .description(
    "let another folder take the place of a data folder, while the store runs; with it stopped: move it, or a storage node's disk",
  )
  .addArgument(new Argument("<old>"))
  .addArgument(new Argument("<new>"))
  .action(async (oldFolder: string, newFolder: string, flags) => {
    process.stdout.write(`${await replaceFolder(settingsOf(flags), oldFolder, newFolder, process.stderr)}\n`);
  });

const askFor = (command: Command): Command =>
  command
    .addOption(
      new Option("--url <url>", "the store's address").env("GATEWAY_URL").default("http://127.0.0.1:7841"),
    )
    .addOption(new Option("--key <key>", "an admin's key").env("API_KEY"));
const sessionOf = ({ url, key }: AdminTarget): AdminSession => {
  untilNobodyReads();
  return {
    ask: adminClient({ url, key }),
    nowMs: Date.now,
    pause: () => delay(1_000),
    print: (line) => process.stdout.write(`${line}\n`),
  };
};
askFor(admin.command("nodes"))
  .description("show storage nodes and their volumes")
  .action((flags) => showNodes(sessionOf(flags)));
askFor(admin.command("drain <id>"))
  .description("empty a node or a volume: it takes no new blobs, its copies are moved")
  .option("--cancel", "take that back")
  .option("--wait", "show progress until it is empty")
  .action((id: string, flags) => drain(sessionOf(flags), id, flags));
askFor(admin.command("remove <id>"))
  .description("forget a node's volumes, or one, for good")
  .option("--lost", "it will not come back: what it held is repaired from the other copies")
  .action((id: string, flags) => remove(sessionOf(flags), id, flags.lost === true));
askFor(admin.command("rebalance"))
  .description("move copies to where placement wants them")
  .option("--wait", "show progress until it is done")
  .action((flags) => rebalance(sessionOf(flags), flags.wait === true));
askFor(admin.command("scrub [id]"))
  .description("read everything of a node or a volume, or of all, now")
  .option("--wait", "show progress until it is done")
  .action((id: string | undefined, flags) => scrub(sessionOf(flags), id, flags.wait === true));
askFor(admin.command("accept-history [id]"))
  .description(
    "say that the metadata as it is now is the true one, for a node's or a volume's copies, or all: what it does not name is then removed",
  )
  .action((id: string | undefined, flags) => acceptHistory(sessionOf(flags), id));
askFor(admin.command("repair").description("repairs").command("status"))
  .description("show how far drains, rebalances and scrubs are, and how much waits for repair")
  .action((flags) => showHealing(sessionOf(flags)));
askFor(admin.command("verify [volume]"))
  .description("compare volumes with the metadata, both ways; exit code 1 when anything is wrong")
  .option("--deep", "read every copy whole")
  .option("--fix", "what is wrong goes to repair, old orphans are collected")
  .action(async (id: string | undefined, flags) => {
    if (!(await verify(sessionOf(flags), { id, ...flags }))) process.exitCode = 1;
  });
askFor(admin.command("object").description("objects").command("locate <bucket> <key>"))
  .description("show on which nodes and volumes the bytes of an object lie")
  .action((bucket: string, key: string, flags) => locate(sessionOf(flags), bucket, key));

const storage = program
  .command("storage")
  .description("look at a storage node's files, with no service running");
storage
  .command("journal")
  .description("look at the journal of an embedded store's names and keys")
  .command("dump")
  .description(
    "print a log file or claim.json of a journal folder; exit code 1 when any of it is damaged or torn",
  )
  .addArgument(new Argument("<file>"))
  .action(async (file: string) => {
    untilNobodyReads();
    if (!(await journalDump(file, process.stdout))) process.exitCode = 1;
  });
storage
  .command("dump")
  .description(
    "print a segment, a blob's file, volume.json or scrub.json; exit code 1 when any of it is damaged",
  )
  .addArgument(new Argument("<file>"))
  .action(async (file: string) => {
    untilNobodyReads();
    if (!(await storageDump(file, process.stdout))) process.exitCode = 1;
  });
addFlags(storage.command("reindex"), ["logLevel", "logFormat"])
  .description(
    "make the index of a volume anew from its segments alone; refused while a process holds the volume",
  )
  .addArgument(new Argument("<folder>"))
  .action(async (folder: string, flags) => {
    const log = processLog(settingsOf(flags));
    process.stdout.write(`${await storageReindex(folder, log, process.stderr)}\n`);
  });

program.parseAsync().catch((error: unknown) => {
  const expected = [ConfigError, CairnError, FolderHeldError, JournalUnusable, NewerSchemaError].some(
    (kind) => error instanceof kind,
  );
  const text =
    error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
  const hint = error instanceof CairnError && error.hint !== "" ? `\n${error.hint}` : "";
  process.stderr.write(`cairn: ${text}${hint}\n`);
  // A value that only a service can judge, such as ADMIN_API_KEY, is a wrong value all the same.
  const wrongValue = error instanceof ConfigError || hasReason(error, "INVALID_ARGUMENT");
  process.exit(wrongValue ? 2 : 1);
});
