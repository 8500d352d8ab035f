import { EndController, type EndSignal } from "./end-signal";

/** What holds for the platform's own holds for ours: they stand in for each other. */
describe.each([
  ["EndController", () => new EndController()],
  ["AbortController", () => new AbortController()],
])("%s", (_name, make: () => { signal: EndSignal; abort(reason: unknown): void }) => {
  it("tells each listener once, functions and objects, in their order", () => {
    const controller = make();
    const heard: string[] = [];
    controller.signal.addEventListener("abort", () => heard.push("function"), { once: true });
    controller.signal.addEventListener("abort", { handleEvent: () => heard.push("object") }, { once: true });
    controller.abort("why");
    controller.abort("again");
    expect(heard).toEqual(["function", "object"]);
    expect(controller.signal).toMatchObject({ aborted: true, reason: "why" });
  });

  it("tells nobody who has left, and a listener that was added twice once", () => {
    const controller = make();
    let left = 0;
    let stayed = 0;
    const leaving = () => {
      left += 1;
    };
    const staying = () => {
      stayed += 1;
    };
    controller.signal.addEventListener("abort", leaving);
    controller.signal.addEventListener("abort", staying);
    controller.signal.addEventListener("abort", staying);
    controller.signal.removeEventListener("abort", leaving);
    controller.abort(undefined);
    expect([left, stayed]).toEqual([0, 1]);
  });

  it("shows itself as ended to its listeners, and tells none that comes later", () => {
    const controller = make();
    let seen: boolean | undefined;
    let late = false;
    controller.signal.addEventListener("abort", () => {
      seen = controller.signal.aborted;
    });
    controller.abort("why");
    controller.signal.addEventListener("abort", () => {
      late = true;
    });
    controller.abort("why");
    expect([seen, late]).toEqual([true, false]);
  });
});
