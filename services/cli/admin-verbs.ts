import { CairnError } from "../common/errors/cairn-error";
import type { AdminAnswer, AskAdmin } from "./admin-client";

/** What the verbs speak with. */
export type AdminSession = {
  readonly ask: AskAdmin;
  /** Unix time in milliseconds. */
  readonly nowMs: () => number;
  /** Waits a moment before progress is asked for again; keeps the process alive. */
  readonly pause: () => Promise<unknown>;
  readonly print: (line: string) => void;
};

/** Nodes, their volumes, and what each is doing. */
export async function showNodes({ ask, print }: AdminSession): Promise<void> {
  const { nodes } = await ask("GET", "/nodes");
  for (const node of nodes) {
    const zone = node.zone === "" ? "" : `  zone ${node.zone}`;
    print(`node ${node.id}  ${node.address}${zone}  ${node.alive ? "alive" : "DOES NOT ANSWER"}`);
    for (const volume of node.volumes) {
      const state = volume.removed ? "removed" : volume.draining ? `${volume.state}, draining` : volume.state;
      const free = `${gib(volume.freeBytes)} of ${gib(volume.capacityBytes)} GiB free`;
      print(`  volume ${volume.id}  ${state}  ${volume.blobs} blobs  ${free}${held(volume.deleteHold)}`);
    }
  }
}

export async function drain(
  session: AdminSession,
  id: string,
  options: { cancel?: boolean; wait?: boolean },
): Promise<void> {
  const cancel = options.cancel === true;
  const { volumeIds } = await session.ask("POST", "/drain", { id, cancel });
  for (const volumeId of volumeIds)
    session.print(cancel ? `volume ${volumeId} takes blobs again` : `volume ${volumeId} is being emptied`);
  if (!cancel && options.wait === true) await follow(session, "drain", volumeIds);
}

export async function remove({ ask, print }: AdminSession, id: string, lost: boolean): Promise<void> {
  const { volumeIds } = await ask("POST", "/remove", { id, lost });
  for (const volumeId of volumeIds) print(`volume ${volumeId} is forgotten; it never counts again`);
}

export async function rebalance(session: AdminSession, wait: boolean): Promise<void> {
  await session.ask("POST", "/rebalance");
  session.print("copies are being moved to where placement wants them");
  if (wait) await follow(session, "rebalance", undefined);
}

export async function scrub(session: AdminSession, id: string | undefined, wait: boolean): Promise<void> {
  const { volumeIds } = await session.ask("POST", "/scrub", id === undefined ? {} : { id });
  for (const volumeId of volumeIds) session.print(`volume ${volumeId} is read whole, beginning now`);
  if (wait) await follow(session, "scrub", volumeIds);
}

/** The metadata's history is the true one: volumes that followed another one take its deletes from now on. */
export async function acceptHistory({ ask, print }: AdminSession, id: string | undefined): Promise<void> {
  const { volumeIds } = await ask("POST", "/accept-history", id === undefined ? {} : { id });
  for (const volumeId of volumeIds) print(`volume ${volumeId} follows this history and takes its deletes`);
  if (volumeIds.length === 0) print("no volume followed another history");
}

/** Queues, and each walk with its rate and what remains. */
export async function showHealing({ ask, print }: AdminSession): Promise<void> {
  const { queues, walks } = await ask("GET", "/healing");
  print(
    `waiting: ${queues.repairs} repairs (${queues.repairsWaiting} of them tried before), ${queues.deletes} deletes, ${queues.purges} deleted buckets`,
  );
  for (const walk of walks) print(walkLine(walk));
}

/** Compares every volume, or one, with the metadata. True when nothing was found. */
export async function verify(
  { ask, print }: AdminSession,
  options: { id?: string | undefined; deep?: boolean; fix?: boolean },
): Promise<boolean> {
  const { nodes } = await ask("GET", "/nodes");
  const volumes: string[] = nodes
    .flatMap((node: AdminAnswer) => node.volumes.filter((volume: AdminAnswer) => !volume.removed))
    .map((volume: AdminAnswer) => volume.id)
    .filter((id: string) => options.id === undefined || options.id === id);
  if (volumes.length === 0)
    throw new CairnError("NO_SUCH_VOLUME", { message: `There is no volume ${options.id ?? "at all"}.` });
  let found = 0;
  for (const id of volumes) {
    let after: string | null = "";
    let checked = 0;
    while (after !== null) {
      const page: AdminAnswer = await ask("POST", `/volumes/${id}/verify`, {
        after,
        deep: options.deep === true,
        fix: options.fix === true,
      });
      checked += page.checked;
      for (const { blobId, what, done } of page.findings)
        print(`  ${what}: blob ${blobId} on ${id} (${done})`);
      found += page.findings.length;
      after = page.next;
    }
    print(`volume ${id}: ${checked} copies compared`);
  }
  print(
    found === 0
      ? "all is as it should be"
      : `${found} findings${options.fix === true ? "" : "; --fix mends them"}`,
  );
  return found === 0;
}

export async function locate({ ask, print }: AdminSession, bucket: string, key: string): Promise<void> {
  const query = new URLSearchParams({ key });
  const found = await ask("GET", `/buckets/${encodeURIComponent(bucket)}/locate?${query}`);
  print(`${bucket}/${found.key}  ${found.sizeBytes} bytes  ETag "${found.etag}"`);
  for (const blob of found.blobs) {
    print(`blob ${blob.blobId}  ${blob.sizeBytes} bytes`);
    for (const copy of blob.copies) {
      const node = copy.alive ? "" : ", node does not answer";
      print(`  volume ${copy.volumeId}  node ${copy.nodeId}  ${copy.address}  ${copy.state}${node}`);
    }
  }
}

/** Prints how far walks of one kind are until none of them runs or is due at once. */
async function follow(session: AdminSession, kind: string, volumeIds: string[] | undefined): Promise<void> {
  const { ask, print } = session;
  const since = session.nowMs();
  while (true) {
    const { walks } = await ask("GET", "/healing");
    const mine = walks.filter(
      (walk: AdminAnswer) =>
        walk.kind === kind && (volumeIds === undefined || volumeIds.includes(walk.volumeId)),
    );
    const open = mine.filter((walk: AdminAnswer) => walk.running || isDue(walk, since));
    if (open.length === 0) {
      for (const walk of mine) print(walkLine(walk));
      return;
    }
    for (const walk of open) print(walkLine(walk));
    await session.pause();
  }
}

/** Not through since it was asked for, and to go on within a moment. */
function isDue(walk: AdminAnswer, sinceMs: number): boolean {
  const finished = walk.finishedAt !== null && Date.parse(walk.finishedAt) >= sinceMs;
  return !finished && walk.dueAt !== null && Date.parse(walk.dueAt) <= sinceMs + 60_000;
}

function walkLine(walk: AdminAnswer): string {
  const rate = walk.perSecond === null ? "" : `, ${walk.perSecond.toFixed(1)}/s`;
  const left =
    walk.running && walk.remainingSeconds !== null ? `, ${Math.ceil(walk.remainingSeconds)} s left` : "";
  const state = walk.running ? "running" : walk.finishedAt === null ? "waiting" : "done";
  const trouble = walk.waiting > 0 ? `, ${walk.waiting} could not be moved yet` : "";
  return `${walk.kind} of ${walk.volumeId}: ${state}, ${walk.checked} of ${walk.total} copies, ${walk.changed} changed${trouble}${rate}${left}`;
}

function gib(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(1);
}

function held(why: string): string {
  return why === "" ? "" : `  deletes held back: ${why}`;
}
