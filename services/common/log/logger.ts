import pino from "pino";

export type Logger = pino.Logger;

/**
 * The process's logger: JSON lines, or readable ones on a terminal. Keys and secrets are cut out by name wherever
 * they appear (I9).
 */
export function createLogger(options: {
  level: string;
  pretty: boolean;
  destination?: pino.DestinationStream;
}): Logger {
  const redact = {
    paths: [
      "authorization",
      "*.authorization",
      "headers.authorization",
      "secret",
      "*.secret",
      "apiKey",
      "*.apiKey",
    ],
    censor: "[redacted]",
  };
  if (options.destination !== undefined) return pino({ level: options.level, redact }, options.destination);
  if (!options.pretty) return pino({ level: options.level, redact });
  return pino({
    level: options.level,
    redact,
    transport: {
      target: "pino-pretty",
      options: { ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" },
    },
  });
}

/** Says nothing; for tests. */
export const silentLogger: Logger = pino({ level: "silent" });
