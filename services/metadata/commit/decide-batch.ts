import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { sql } from "kysely";
import { type Command, type Outcome, OutcomeSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { timeOfId } from "../../common/ids/uuid";
import { handlerOf } from "../commands/all";
import { type Runner, statement } from "../store/statement";
import type { Batch, Stamp } from "./batch";
import { condemnRefused } from "./blobs";
import { releaseGathered } from "./extents";
import { flush } from "./flush";
import { type Change, Wanted } from "./handler";
import { lockBlobs, lockNames } from "./locks";
import { drawNumbers, keepNumber } from "./numbers";
import { isFinal, refusalReason } from "./refusal";
import { lookUpCurrents } from "./versions";

/** An outcome, or why this command alone could not be decided. */
export type Decided = Outcome | CairnError;

/**
 * Decides and applies commands in the batch's transaction, in P4's order: locks, outcomes of former tries, numbers,
 * decisions, and what gathered at the end. Throws only when the whole transaction must be given up.
 */
export async function decideBatch(
  batch: Batch,
  commands: readonly Command[],
  slot: number,
): Promise<Decided[]> {
  if (batch.kind === "postgres") await takeLocks(batch, commands);
  const known = await keptOutcomes(
    batch,
    commands.map((command) => command.id),
  );
  const numbers = await drawNumbers(batch, commands.length);
  const decided: Decided[] = [];
  const kept: { command_id: string; outcome: Uint8Array }[] = [];
  for (const [index, command] of commands.entries()) {
    const former = known.get(command.id);
    if (former !== undefined) {
      decided.push(former);
      continue;
    }
    if (isTooOld(batch, command)) {
      decided.push(tooOld(command));
      continue;
    }
    const stamp = { commandId: command.id, number: numbers[index] ?? 0, atMs: batch.nowMs };
    const { outcome, keep } = await decideOne(batch, command, stamp);
    decided.push(outcome);
    known.set(command.id, outcome);
    if (keep) kept.push({ command_id: command.id, outcome: toBinary(OutcomeSchema, outcome) });
  }
  await releaseGathered(batch);
  flush(batch, kept, slot);
  if (kept.length > 0) keepNumber(batch, numbers.at(-1) ?? 0);
  await batch.written();
  return decided;
}

async function decideOne(batch: Batch, command: Command, stamp: Stamp) {
  const change = command.change as Change;
  const handler = handlerOf(change);
  const decision = await handler.decide(batch, change.value, stamp);
  const refused = refusalReason(decision);
  if (refused !== undefined && isFinal(refused)) {
    const blobs = handler.newBlobs?.(change.value) ?? [];
    if (blobs.length > 0) await condemnRefused(batch, blobs);
  }
  const outcome = create(OutcomeSchema, {
    commandId: command.id,
    changeNumber: decision.logged === true ? BigInt(stamp.number) : 0n,
    result: decision.result,
  });
  return { outcome, keep: refused === undefined && decision.keep !== false };
}

async function takeLocks(batch: Batch, commands: readonly Command[]): Promise<void> {
  const wanted = new Wanted();
  for (const command of commands) {
    const change = command.change as Change;
    await handlerOf(change).locks?.(batch, change.value, wanted);
  }
  await lockNames(batch, wanted);
  for (const command of commands) {
    const change = command.change as Change;
    await handlerOf(change).blobs?.(batch, change.value, wanted);
  }
  await lockBlobs(batch, wanted);
  await lookUpCurrents(batch, wanted.keys.values());
}

type OutcomeRow = { command_id: string; outcome: Uint8Array };

const outcomeById = statement<{ id: string }>()((db, mark) =>
  db.selectFrom("outcomes").selectAll().where("command_id", "=", mark("id")),
);
const outcomesByIds = statement<{ ids: readonly string[] }>()<OutcomeRow>((db, mark) => ({
  compile: () =>
    sql<OutcomeRow>`select command_id, outcome from outcomes
    where command_id = any(${mark("ids")}::text[])`.compile(db),
}));

/** Outcomes of commands that were applied before (P3). */
export async function keptOutcomes(runner: Runner, ids: readonly string[]): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const rows =
    runner.kind === "postgres"
      ? await outcomesByIds(runner, { ids })
      : (await Promise.all(ids.map((id) => outcomeById(runner, { id })))).flat();
  for (const row of rows) outcomes.set(row.command_id, fromBinary(OutcomeSchema, row.outcome));
  return outcomes;
}

function isTooOld(batch: Batch, command: Command): boolean {
  return batch.nowMs - timeOfId(command.id) > batch.config.commandMaxAgeMs;
}

export function tooOld(command: Command): CairnError {
  return new CairnError("COMMAND_TOO_OLD", {
    message: `Command ${command.id} is older than may be decided.`,
    resource: command.id,
  });
}
