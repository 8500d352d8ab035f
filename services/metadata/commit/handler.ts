import type { Command, NewBlob } from "../../../gen/cairn/metadata/v1/metadata_pb";
import type { Batch, Decision, Stamp } from "./batch";

export type Change = Exclude<Command["change"], { case: undefined }>;
export type ChangeCase = Change["case"];
export type ChangeOf<C extends ChangeCase> = Extract<Change, { case: C }>["value"];

/** What a batch must hold before it decides, in P4's order. SQLite has one writer and needs none of it. */
export class Wanted {
  /** True where the row is held exclusively. */
  readonly buckets = new Map<string, boolean>();
  readonly keys = new Map<string, { bucketId: string; key: string; versionIds: string[] }>();
  /** Names of buckets to be: a new name has no row. */
  readonly bucketNames = new Set<string>();
  readonly uploads = new Set<string>();
  readonly volumes = new Set<string>();
  readonly blobs = new Set<string>();

  bucket(bucketId: string, exclusive = false): void {
    this.buckets.set(bucketId, exclusive || this.buckets.get(bucketId) === true);
  }

  key(bucketId: string, key: string, versionId = ""): void {
    this.bucket(bucketId);
    const id = `${bucketId}/${key}`;
    const known = this.keys.get(id) ?? { bucketId, key, versionIds: [] };
    if (versionId !== "") known.versionIds.push(versionId);
    this.keys.set(id, known);
  }
}

/** How one kind of command is locked for, decided and applied. A file each in `commands/`. */
export type Handler<C extends ChangeCase> = {
  /** Rows that it may touch; beyond a limit it goes alone (P3). Default: few. */
  rows?(change: ChangeOf<C>): number;
  /** Names what it locks but for blobs. May read what never changes. */
  locks?(batch: Batch, change: ChangeOf<C>, wanted: Wanted): Promise<void> | void;
  /** Names the blobs it locks; buckets, keys and uploads are held by now. */
  blobs?(batch: Batch, change: ChangeOf<C>, wanted: Wanted): Promise<void> | void;
  /** Decides, and applies or refuses. A refusal writes nothing. */
  decide(batch: Batch, change: ChangeOf<C>, stamp: Stamp): Promise<Decision>;
  /** What it brings: condemned when it is refused for good (P6). */
  newBlobs?(change: ChangeOf<C>): readonly NewBlob[];
};
