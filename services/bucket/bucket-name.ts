/** A rule that a name breaks, as a sentence about the name. */
export type BucketNameProblem = { readonly rule: string; readonly explanation: string };

const prefixes = ["xn--", "sthree-", "amzn-s3-demo-"];
const suffixes = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
/** `GET /health` is an alias of ours on every port (D§10). */
const ours = ["health"];

const rules: { rule: string; breaks: (name: string) => boolean; explanation: string }[] = [
  {
    rule: "length",
    breaks: (name) => name.length < 3 || name.length > 63,
    explanation: "it must have 3 to 63 characters",
  },
  {
    rule: "characters",
    breaks: (name) => !/^[a-z0-9.-]+$/.test(name),
    explanation: "it may have only lower-case letters, digits, dots and hyphens",
  },
  {
    rule: "ends",
    breaks: (name) => !/^[a-z0-9].*[a-z0-9]$/.test(name),
    explanation: "it must begin and end with a letter or digit",
  },
  {
    rule: "adjacent-dots",
    breaks: (name) => name.includes(".."),
    explanation: "it must not have two dots side by side",
  },
  {
    rule: "ip-address",
    breaks: (name) => /^\d+\.\d+\.\d+\.\d+$/.test(name),
    explanation: "it must not be formed like an IP address",
  },
  ...prefixes.map((prefix) => ({
    rule: "reserved-prefix",
    breaks: (name: string) => name.startsWith(prefix),
    explanation: `it must not begin with ${prefix}`,
  })),
  ...suffixes.map((suffix) => ({
    rule: "reserved-suffix",
    breaks: (name: string) => name.endsWith(suffix),
    explanation: `it must not end with ${suffix}`,
  })),
  {
    rule: "reserved",
    breaks: (name) => ours.includes(name),
    explanation: "Cairn reserves it for itself",
  },
];

/**
 * The first rule for general purpose buckets that a name breaks, or undefined when it is good. Amazon S3 user guide,
 * "General purpose bucket naming rules"; left out is its account-regional namespace suffix (`-an`), which needs
 * accounts.
 */
export function bucketNameProblem(name: string): BucketNameProblem | undefined {
  const broken = rules.find((rule) => rule.breaks(name));
  return broken === undefined ? undefined : { rule: broken.rule, explanation: broken.explanation };
}
