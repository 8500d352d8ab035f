import type { Settings } from "../common/config/options";
import { createLogger, type Logger } from "../common/log/logger";

/** The process's logger: readable on a terminal, JSON elsewhere, unless LOG_FORMAT says which. */
export function processLog(settings: Settings): Logger {
  const pretty =
    settings.logFormat === undefined ? process.stdout.isTTY === true : settings.logFormat === "pretty";
  return createLogger({ level: settings.logLevel, pretty });
}
