import { create } from "@bufbuild/protobuf";
import { Permission, PrincipalSchema } from "../../../gen/cairn/identity/v1/identity_pb";
import { hasReason } from "../../common/errors/cairn-error";
import {
  type Access,
  authoriseAdmin,
  authoriseBucketName,
  authoriseOwner,
  authorisePermission,
  authoriseUser,
} from "./authorise";

const { READ, WRITE, ADMIN } = Permission;

function principal(permissions: Permission[], options: { admin?: boolean; buckets?: string[] } = {}) {
  return create(PrincipalSchema, {
    userId: "me",
    admin: options.admin ?? false,
    grant: { permissions, buckets: options.buckets ?? [] },
  });
}

function allowed(decide: () => void): boolean {
  try {
    decide();
    return true;
  } catch (error) {
    if (!hasReason(error, "ACCESS_DENIED")) throw error;
    return false;
  }
}

test.each<[Permission[], Access, boolean]>([
  [[READ], "read", true],
  [[READ], "write", false],
  [[READ], "admin", false],
  [[WRITE], "read", false],
  [[WRITE], "write", true],
  [[READ, WRITE], "admin", false],
  [[ADMIN], "read", true],
  [[ADMIN], "write", true],
  [[ADMIN], "admin", true],
  [[], "read", false],
])("permissions %j for %s: %s", (permissions, access, expected) => {
  expect(allowed(() => authorisePermission(principal(permissions), access))).toBe(expected);
});

test("a grant's bucket list bounds the key, an admin's too", () => {
  expect(allowed(() => authoriseBucketName(principal([READ]), "any"))).toBe(true);
  expect(allowed(() => authoriseBucketName(principal([READ], { buckets: ["a1b"] }), "a1b"))).toBe(true);
  expect(allowed(() => authoriseBucketName(principal([READ], { buckets: ["a1b"] }), "other"))).toBe(false);
  expect(
    allowed(() => authoriseBucketName(principal([ADMIN], { admin: true, buckets: ["a1b"] }), "other")),
  ).toBe(false);
});

test("a bucket is its owner's and the admins'", () => {
  expect(allowed(() => authoriseOwner(principal([READ]), { name: "b", ownerId: "me" }))).toBe(true);
  expect(allowed(() => authoriseOwner(principal([ADMIN]), { name: "b", ownerId: "you" }))).toBe(false);
  expect(
    allowed(() => authoriseOwner(principal([READ], { admin: true }), { name: "b", ownerId: "you" })),
  ).toBe(true);
});

test.each<[string, ReturnType<typeof principal>, boolean, boolean, boolean]>([
  ["an admin's admin key", principal([ADMIN], { admin: true }), true, true, true],
  ["an admin's read key", principal([READ], { admin: true }), false, false, false],
  [
    "an admin's key for one bucket",
    principal([ADMIN], { admin: true, buckets: ["a1b"] }),
    false,
    false,
    false,
  ],
  ["a user's admin key", principal([ADMIN]), false, true, false],
  ["a user's admin key for one bucket", principal([ADMIN], { buckets: ["a1b"] }), false, false, false],
  ["a user's write key", principal([WRITE]), false, false, false],
])("%s: admin API %s, own keys %s, others' keys %s", (_name, who, admin, own, others) => {
  expect(allowed(() => authoriseAdmin(who))).toBe(admin);
  expect(allowed(() => authoriseUser(who, "me"))).toBe(own);
  expect(allowed(() => authoriseUser(who, "you"))).toBe(others);
});
