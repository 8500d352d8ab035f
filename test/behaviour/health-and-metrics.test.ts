import { inFourWays } from "../support/behaviour";

inFourWays((store, way) => {
  test("live, ready and /health say ok to all, and no more than that", async () => {
    for (const path of ["/_/health/live", "/_/health/ready", "/health"]) {
      const answer = await store().ask("GET", path, { key: null });
      expect([path, answer.status, answer.json]).toEqual([path, 200, { status: "ok" }]);
    }
  });

  test("an admin sees each dependency with state and latency; a user's key and a bad one do not", async () => {
    const { json } = await store().ask("GET", "/_/health/ready");
    expect(json.status).toBe("ok");
    expect(json.dependencies.length).toBeGreaterThanOrEqual(way.carrier === "gRPC" ? 3 : 5);
    for (const dependency of json.dependencies)
      expect(dependency).toMatchObject({ name: expect.any(String), ok: true, latencyMs: expect.any(Number) });
    const user = await store().makeKey({ permissions: ["admin"] });
    const seen = await user.http.ask("GET", "/_/health/ready");
    expect(seen.text).not.toContain("dependencies");
    const stranger = await store().ask("GET", "/_/health/ready", { key: "wrong" });
    expect(stranger.text).not.toContain("dependencies");
  });

  test("metrics are Prometheus text for admins: operations, errors, bytes, RPCs, queues, nodes", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x".repeat(1000));
    await store().get(bucket, "k");
    await store().get(bucket, "absent");
    expect((await store().ask("GET", "/_/metrics", { key: null })).status).toBe(401);
    const user = await store().makeKey({ permissions: ["admin"] });
    expect((await user.http.ask("GET", "/_/metrics")).status).toBe(403);
    const answer = await store().ask("GET", "/_/metrics");
    expect([answer.status, answer.headers["content-type"]]).toEqual([
      200,
      expect.stringContaining("text/plain"),
    ]);
    const { text } = answer;
    expect(text).toMatch(/cairn_gateway_requests_total\{operation="PutObject",status="200"\} [1-9]/);
    expect(text).toMatch(
      /cairn_gateway_errors_total\{operation="GetObject",code="NO_SUCH_KEY_IN_BUCKET"\} [1-9]/,
    );
    expect(text).toMatch(/cairn_gateway_request_duration_seconds_count\{operation="GetObject"\} [1-9]/);
    expect(text).toMatch(/cairn_gateway_received_bytes_total\{operation="PutObject"\} \d{4}/);
    expect(text).toMatch(/cairn_gateway_sent_bytes_total\{operation="GetObject"\} \d{4}/);
    expect(text).not.toContain(store().adminKey.slice(7));
    for (const line of text.split("\n"))
      expect(line).toMatch(/^$|^# (HELP|TYPE) |^[a-zA-Z_:][\w:]*(\{[^}]*\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/);
    if (way.carrier === "in process") {
      expect(text).toMatch(/cairn_\w*rpc\w*\{[^}]*\} [1-9]/);
      expect(text).toMatch(/cairn_metadata_\w+/);
      expect(text).toMatch(/cairn_storage_\w+/);
      expect(text).toMatch(/cairn_object_\w+/);
    }
  });

  test("health is an alias, no bucket: nothing can be stored under the name", async () => {
    expect((await store().ask("PUT", "/health")).status).toBe(400);
    expect((await store().put("health", "k", "x")).status).toBe(404);
    expect((await store().ask("GET", "/health?list-type=2")).status).toBe(404);
  });
});
