import { z } from "zod";

/** Kinds of values as people write them in flags and environment variables, each with the sentence that refuses. */

const byteUnits: Record<string, number> = {
  "": 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

export const bytes = z.string().transform((text, context) => {
  const [, digits, unit] = /^(\d+)\s*(B|KiB|MiB|GiB|TiB|)$/.exec(text) ?? [];
  const size = Number(digits) * (byteUnits[unit ?? "x"] ?? Number.NaN);
  if (Number.isSafeInteger(size)) return size;
  context.addIssue({ code: "custom", message: "must be a size such as 512MiB or 1GiB" });
  return z.NEVER;
});

const timeUnitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const durationMs = z.string().transform((text, context) => {
  const [, digits, unit] = /^(\d+)\s*(ms|s|m|h|d)$/.exec(text) ?? [];
  const duration = Number(digits) * (timeUnitsMs[unit ?? "x"] ?? Number.NaN);
  if (Number.isSafeInteger(duration)) return duration;
  context.addIssue({ code: "custom", message: "must be a duration such as 500ms, 30s, 10m, 2h or 7d" });
  return z.NEVER;
});

export function wholeNumber(least: number, most: number) {
  return z.string().transform((text, context) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    context.addIssue({ code: "custom", message: `must be a whole number from ${least} to ${most}` });
    return z.NEVER;
  });
}

export const port = wholeNumber(0, 65_535);

export const list = z
  .string()
  .transform((text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  )
  .refine((items) => items.length > 0, "must name at least one");

/** "host:port", for the services' addresses; a scheme in front is taken off. */
export const address = z
  .string()
  .transform((text) => text.replace(/^(https?|grpc|dns):\/+/, "").replace(/\/$/, ""))
  .refine(
    (text) => /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/.test(text),
    "must be an address such as 127.0.0.1:7851",
  );

export const addresses = list.pipe(z.array(address));

export const databaseUrl = z
  .string()
  .refine(
    (text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text),
    "must be a URL such as postgres://user:password@host:5432/s3_buckets",
  );

export const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,63}$/, "must be 1 to 63 letters, digits, dots, hyphens or underscores");

export const text = z.string().min(1, "must not be empty");
