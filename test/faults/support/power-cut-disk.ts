import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { until } from "../../support/until";
import { type LoopImage, makeLoopImage, run } from "./loop-image";

/** XFS or ext4 on an image file. Cutting its power loses all that no sync put there, as a real cut does. */
export type PowerCutDisk = {
  /** Where it is mounted. */
  readonly folder: string;
  /** From now on nothing reaches the disk, and what only memory held is lost. */
  cut(): void;
  /** Power again. Every process that had files there must have ended. */
  restore(): Promise<void>;
  close(): Promise<void>;
};

export type FileSystem = "xfs" | "ext4";

const imageBytes = 2 * 1024 ** 3;

/** Why power cannot be cut on this machine; undefined when it can. */
export function whyNoPowerCut(system: FileSystem): string | undefined {
  if (process.getuid?.() !== 0) return "mounting a loop image needs root";
  try {
    accessSync("/dev/loop-control", constants.R_OK);
  } catch {
    return "there are no loop devices";
  }
  for (const [tool, flag] of [
    [`mkfs.${system}`, "-V"],
    ["xfs_io", "-V"],
  ] as const) {
    try {
      execFileSync(tool, [flag], { stdio: "ignore" });
    } catch {
      return `${tool} is missing: apt-get install xfsprogs e2fsprogs`;
    }
  }
  try {
    makePowerCutDisk(system).remove();
  } catch (error) {
    return `${system} cannot be mounted: ${String(error).split("\n")[0]}`;
  }
  return undefined;
}

export function openPowerCutDisk(system: FileSystem): PowerCutDisk {
  const { mount, unmount, remove, folder } = makePowerCutDisk(system);
  const unmountSoon = () =>
    until(() => {
      unmount();
      return true;
    }, 10_000);
  // An end of the test process in the middle must not leave the mount behind.
  process.once("exit", remove);
  return {
    folder,
    cut: () => {
      run("xfs_io", "-x", "-c", "shutdown", folder);
    },
    restore: async () => {
      await unmountSoon();
      mount();
    },
    close: async () => {
      await unmountSoon().catch(() => {});
      process.removeListener("exit", remove);
      remove();
    },
  };
}

function makePowerCutDisk(system: FileSystem): LoopImage {
  return makeLoopImage("cairn-power-", imageBytes, [`mkfs.${system}`, "-q"]);
}
