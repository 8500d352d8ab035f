import { grown, type Resources } from "./resources";

const before: Resources = {
  processes: { object: { memoryMiB: 100, descriptors: 40 }, gateway: { memoryMiB: 80, descriptors: 30 } },
  queued: 0,
  temporaryFiles: 0,
};
const object = (memoryMiB: number, descriptors: number): Resources => ({
  ...before,
  processes: { ...before.processes, object: { memoryMiB, descriptors } },
});

test.each<[string, Resources, string[]]>([
  ["nothing has changed", before, []],
  ["a heap that breathes", object(170, 40), []],
  ["memory that grew", object(180, 40), ["object holds 180 MiB, 100 after the warm-up"]],
  ["a few connections more", object(100, 56), []],
  ["descriptors that leak", object(100, 57), ["object holds 57 descriptors, 40 after the warm-up"]],
  ["work that nobody does", { ...before, queued: 1 }, ["1 tasks wait in queues"]],
  ["what a broken write left", { ...before, temporaryFiles: 2 }, ["2 temporary files, 0 after the warm-up"]],
])("%s", (_name, after, findings) => {
  expect(grown(before, after)).toEqual(findings);
});
