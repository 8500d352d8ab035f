import { randomUUID } from "node:crypto";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";

const fresh = () => `b-${randomUUID()}`;

inFourWays((store) => {
  test("a bucket is made, seen, and deleted", async () => {
    const name = fresh();
    expect((await store().ask("HEAD", `/${name}`)).status).toBe(404);
    const made = await store().ask("PUT", `/${name}`);
    expect([made.status, made.headers.location]).toEqual([200, `/${name}`]);
    expect(made.json).toEqual({ name, createdAt: expect.any(String), created: true });
    const head = await store().ask("HEAD", `/${name}`);
    expect([head.status, head.headers["x-amz-bucket-region"], head.text]).toEqual([200, "us-east-1", ""]);
    expect((await store().ask("DELETE", `/${name}`)).status).toBe(204);
    expect((await store().ask("HEAD", `/${name}`)).status).toBe(404);
    expect(refusal(await store().ask("DELETE", `/${name}`))).toEqual([404, "NoSuchBucket"]);
    expect(refusal(await store().ask("GET", `/${name}`))).toEqual([404, "NoSuchBucket"]);
  });

  test("creating one's own again answers 200 and changes nothing", async () => {
    const name = fresh();
    const first = (await store().ask("PUT", `/${name}`)).json;
    await store().put(name, "k", "x");
    const again = await store().ask("PUT", `/${name}`);
    expect([again.status, again.json]).toEqual([200, { name, createdAt: first.createdAt, created: false }]);
    expect((await store().get(name, "k")).text).toBe("x");
  });

  test("a name that belongs to somebody else is 409, and the bucket stays theirs", async () => {
    const owner = await store().makeKey();
    const stranger = await store().makeKey();
    const name = await store().bucket(owner.http);
    expect(refusal(await stranger.http.ask("PUT", `/${name}`))).toEqual([409, "BucketAlreadyExists"]);
    expect((await owner.http.ask("HEAD", `/${name}`)).status).toBe(200);
    expect((await stranger.http.ask("HEAD", `/${name}`)).status).toBe(403);
    expect((await stranger.http.ask("GET", "/")).json.buckets).toEqual([]);
  });

  test("GET / lists the caller's buckets in name order, page by page, and nobody else's", async () => {
    const { http } = await store().makeKey();
    const names = (await Promise.all(Array.from({ length: 7 }, () => store().bucket(http)))).sort();
    const whole = (await http.ask("GET", "/")).json;
    expect(whole.buckets.map((bucket: { name: string }) => bucket.name)).toEqual(names);
    const paged: string[] = [];
    let token = "";
    do {
      const page = (await http.ask("GET", `/?max-buckets=3${token}`)).json;
      paged.push(...page.buckets.map((bucket: { name: string }) => bucket.name));
      token =
        page.nextContinuationToken === undefined
          ? ""
          : `&continuation-token=${encodeURIComponent(page.nextContinuationToken)}`;
    } while (token !== "");
    expect(paged).toEqual(names);
    expect((await http.ask("GET", `/?prefix=${names[0]}`)).json.buckets).toHaveLength(1);
    const xml = await http.ask("GET", "/", { headers: { accept: "application/xml" } });
    expect(xml.text).toContain(`<Name>${names[0]}</Name>`);
  });

  test("a bucket that holds something is not deleted; once empty it is, and the name is free for others", async () => {
    const name = await store().bucket();
    await store().put(name, "k", "x");
    expect(refusal(await store().ask("DELETE", `/${name}`))).toEqual([409, "BucketNotEmpty"]);
    expect((await store().get(name, "k")).text).toBe("x");
    await store().ask("DELETE", `/${name}/k`);
    expect((await store().ask("DELETE", `/${name}`)).status).toBe(204);
    const other = await store().makeKey();
    expect((await other.http.ask("PUT", `/${name}`)).status).toBe(200);
    expect((await other.http.ask("GET", `/${name}`)).json.objects).toEqual([]);
  });

  test("a hundred users race for one name: exactly one wins, and it is theirs", async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => store().makeKey()));
    for (let round = 0; round < 3; round++) {
      const name = fresh();
      const racers = Array.from({ length: 100 }, (_, number) => users[number % users.length] ?? users[0]);
      const answers = await Promise.all(
        racers.map(async (user) => ({ user, answer: await user?.http.ask("PUT", `/${name}`) })),
      );
      const winners = new Set(
        answers.flatMap(({ user, answer }) => (answer?.status === 200 ? [user?.userId] : [])),
      );
      expect(winners.size).toBe(1);
      const created = answers.filter(({ answer }) => answer?.status === 200 && answer.json.created);
      expect(created).toHaveLength(1);
      const losers = answers.filter(({ user }) => !winners.has(user?.userId));
      expect(losers.map(({ answer }) => answer?.status)).toEqual(losers.map(() => 409));
      expect((await created[0]?.user?.http.ask("HEAD", `/${name}`))?.status).toBe(200);
      expect((await losers[0]?.user?.http.ask("HEAD", `/${name}`))?.status).toBe(403);
    }
  });

  test("a PUT that races a DELETE of the bucket never ends in a lost object or a bucket that cannot be deleted", async () => {
    for (let round = 0; round < 10; round++) {
      const name = await store().bucket();
      const [put, gone] = await Promise.all([store().put(name, "k", "x"), store().ask("DELETE", `/${name}`)]);
      if (put.status === 200) {
        expect(refusal(gone)).toEqual([409, "BucketNotEmpty"]);
        expect((await store().get(name, "k")).text).toBe("x");
        expect((await store().ask("DELETE", `/${name}/k`)).status).toBe(204);
        expect((await store().ask("DELETE", `/${name}`)).status).toBe(204);
      } else {
        expect([refusal(put), gone.status]).toEqual([[404, "NoSuchBucket"], 204]);
        expect((await store().ask("HEAD", `/${name}`)).status).toBe(404);
      }
    }
  });

  test("a bucket that was deleted and made anew holds nothing of the former one", async () => {
    const name = await store().bucket();
    await store().put(name, "old", "x");
    await store().ask("DELETE", `/${name}/old`);
    await store().ask("DELETE", `/${name}`);
    expect((await store().ask("PUT", `/${name}`)).json.created).toBe(true);
    expect(await store().keys(name)).toEqual([]);
    expect((await store().put(name, "new", "y")).status).toBe(200);
    expect(await store().keys(name)).toEqual(["new"]);
  });
});

inOneWay((store) => {
  test.each([
    ["ab", "too short"],
    ["a".repeat(64), "too long"],
    ["Capital", "a capital letter"],
    ["under_score", "an underscore"],
    ["-hyphen", "a hyphen first"],
    ["hyphen-", "a hyphen last"],
    [".dot", "a dot first"],
    ["two..dots", "two dots"],
    ["192.168.0.1", "an IP address"],
    ["xn--punycode", "a reserved prefix"],
    ["sthree-configurator", "a reserved prefix"],
    ["my-s3alias", "a reserved suffix"],
    ["--ol-s3", "a reserved suffix"],
    ["health", "reserved for GET /health"],
    ["caf%C3%A9", "beyond ASCII"],
    ["a%20space", "a space"],
    ["a%2fslash", "an encoded slash"],
  ])("the name %s is refused: %s", async (name) => {
    const before = (await store().ask("GET", "/")).json.buckets.length;
    expect(refusal(await store().ask("PUT", `/${name}`))).toEqual([400, "InvalidBucketName"]);
    expect((await store().ask("GET", "/")).json.buckets).toHaveLength(before);
  });

  test.each([["abc"], ["a".repeat(63)], ["1.2.3.a"], ["0x1"], ["a-b.c-d"]])(
    "the name %s is allowed",
    async (name) => {
      expect((await store().ask("PUT", `/${name}`)).status).toBe(200);
      expect((await store().ask("DELETE", `/${name}`)).status).toBe(204);
    },
  );

  test("the location must be this store's region", async () => {
    const name = fresh();
    const body = (region: string) =>
      `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`;
    expect(refusal(await store().ask("PUT", `/${name}`, { body: body("mars-1") }))).toEqual([
      400,
      "InvalidArgument",
    ]);
    expect((await store().ask("HEAD", `/${name}`)).status).toBe(404);
    expect((await store().ask("PUT", `/${name}`, { body: body("us-east-1") })).status).toBe(200);
  });

  test("a sub-resource that is not implemented is 501, never answered as if it were plain", async () => {
    const name = await store().bucket();
    await store().put(name, "k", "x");
    for (const [method, path] of [
      ["PUT", `/${name}?versioning`],
      ["GET", `/${name}?policy`],
      ["DELETE", `/${name}?cors`],
      ["DELETE", `/${name}/k?tagging`],
      ["GET", `/${name}/k?acl`],
      ["POST", `/${name}/k?uploads`],
    ] as const) {
      expect([path, refusal(await store().ask(method, path))]).toEqual([path, [501, "NotImplemented"]]);
    }
    expect((await store().get(name, "k")).text).toBe("x");
  });

  test("a method that is not allowed is 405 with what is", async () => {
    const name = await store().bucket();
    const wrong = await store().ask("PATCH", `/${name}`);
    expect([...refusal(wrong), wrong.headers.allow]).toEqual([
      405,
      "MethodNotAllowed",
      "PUT, GET, HEAD, DELETE, POST",
    ]);
    expect((await store().ask("DELETE", "/")).status).toBe(405);
  });
});
