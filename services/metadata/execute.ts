import type { Command, Outcome } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError, hasReason, toCairnError } from "../common/errors/cairn-error";
import { timeOfId } from "../common/ids/uuid";
import type { Logger } from "../common/log/logger";
import type { Database } from "../common/sql/database";
import type { Clock } from "../common/time/clock";
import { handlerOf } from "./commands/all";
import { Batch } from "./commit/batch";
import { type Decided, decideBatch, keptOutcomes, tooOld } from "./commit/decide-batch";
import { GroupCommit } from "./commit/group-commit";
import type { Change } from "./commit/handler";
import { QuotaAppeared } from "./commit/locks";
import type { MetadataConfig } from "./config";
import type { MetadataMetrics } from "./metrics";
import type { VersionCache } from "./reads/version-cache";
import type { Tables } from "./store/tables";

/** Deadlock and serialisation failure: the same transaction may succeed. */
const passingStates = new Set(["40P01", "40001"]);
/** A row was there already: the next try looks before it writes. */
const takenStates = new Set(["23505", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE"]);
const mostTries = 5;

export type Execute = {
  execute(commands: readonly Command[]): Promise<Outcome[]>;
  /** Resolves when nothing is in flight. */
  drained(): Promise<void>;
};

/** Carries commands through group commit to their outcomes. `slot` names this process's usage rows (P4). */
export function createExecute(options: {
  database: Database<Tables>;
  config: MetadataConfig;
  clock: Clock;
  log: Logger;
  metrics: MetadataMetrics;
  slot: number;
  transactionsAtOnce: number;
  /** Hears of commands that begin and end; on an engine that this process alone writes to. */
  versions?: VersionCache | undefined;
}): Execute {
  const { database, config, clock, log, metrics, versions } = options;
  const group = new GroupCommit<Command, Decided>({
    run: async (commands) => {
      metrics.batchCommands.observe(commands.length);
      const ended = versions?.begin(commands);
      let decided: readonly Decided[] = [];
      try {
        decided = await runWithRetries(commands);
        return decided;
      } finally {
        ended?.(decided);
      }
    },
    isFatal: (error) => hasReason(error, "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"),
    batchCommands: config.batchCommands,
    transactionsAtOnce: options.transactionsAtOnce,
    maxWaiting: config.maxWaiting,
    overloaded: () =>
      new CairnError("METADATA_UNAVAILABLE", { message: `More than ${config.maxWaiting} commands wait.` }),
  });
  return { execute, drained: () => group.drained() };

  async function execute(commands: readonly Command[]): Promise<Outcome[]> {
    await refuseOldOnes(commands);
    const startedMs = clock.monotonicMs();
    const decided = await Promise.all(
      commands.map(async (command) => {
        const change = command.change as Change;
        const rows = handlerOf(change).rows?.(change.value) ?? 1;
        const outcome = await group.submit(command, rows > config.aloneAboveRows);
        metrics.commandSeconds.of(change.case).observe((clock.monotonicMs() - startedMs) / 1000);
        if (!(outcome instanceof CairnError) && outcome.result.case === "refusal")
          metrics.refusals.inc({ kind: change.case, reason: outcome.result.value.reason });
        return outcome;
      }),
    );
    return decided.map((outcome) => {
      if (outcome instanceof CairnError) throw outcome;
      return outcome;
    });
  }

  /** A request with a command that is too old, and not applied already, is refused whole, before any is decided. */
  async function refuseOldOnes(commands: readonly Command[]): Promise<void> {
    const old = commands.filter((command) => clock.nowMs() - timeOfId(command.id) > config.commandMaxAgeMs);
    if (old.length === 0) return;
    const known = await keptOutcomes(
      database,
      old.map((command) => command.id),
    );
    for (const command of old) if (!known.has(command.id)) throw tooOld(command);
  }

  async function runWithRetries(commands: readonly Command[]): Promise<Decided[]> {
    let careful = false;
    for (let tries = 1; ; tries += 1) {
      try {
        return await database.transaction((trx, run) =>
          decideBatch(
            new Batch(database.kind, trx, run, clock.nowMs(), config, log, careful),
            commands,
            options.slot,
          ),
        );
      } catch (error) {
        const code = (error as { code?: string }).code ?? "";
        careful ||= takenStates.has(code);
        const passing = error instanceof QuotaAppeared || passingStates.has(code) || takenStates.has(code);
        if (passing && tries < mostTries) continue;
        if (commands.length === 1 && !hasReason(error, "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"))
          log.error(
            { err: toCairnError(error).cause ?? error, commandId: commands[0]?.id },
            "a command failed",
          );
        throw error;
      }
    }
  }
}
