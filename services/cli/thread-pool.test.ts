import { storageDefaults } from "../storage/config";
import { threadPoolSize } from "./thread-pool";

test.each([
  [["/data"], undefined, 3],
  [["/a", "/b", "/c", "/d"], undefined, 4],
  [["/data"], ["/1", "/2", "/3", "/4", "/5"], 5],
])("folders %j and disks %j get four threads a disk and eight more (P9)", (data, storageRoot, disks) => {
  expect(threadPoolSize({ data, storageRoot })).toBe(disks * storageDefaults.callsAtOnce + 8);
});
