/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once, for whoever cannot wait. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(signal === "SIGINT" ? 130 : 143);
        stopping = true;
        resolve(signal);
      });
    }
  });
}
