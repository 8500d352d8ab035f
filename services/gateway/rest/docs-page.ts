import { escapeXml } from "../answers/xml-writer";
import type { OpenApiDocument } from "./openapi";

type Json = Record<string, unknown>;

const methods = ["get", "post", "put", "delete"] as const;

/** A readable page of an OpenAPI document: no script, nothing from elsewhere. */
export function docsPage(document: OpenApiDocument): string {
  const base = document.servers?.[0]?.url ?? "";
  const sections = (document.tags ?? []).map(({ name }) => {
    const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      methods.flatMap((method) => {
        const operation = (item as Json)[method] as Json | undefined;
        return operation === undefined || !(operation.tags as string[]).includes(name)
          ? []
          : [operationHtml(method, base + path, operation)];
      }),
    );
    return `<h2 id="${anchorOf(name)}">${escapeXml(name)}</h2>${operations.join("")}`;
  });
  const contents = [...(document.tags ?? []).map(({ name }) => name), "Shapes"]
    .map((name) => `<a href="#${anchorOf(name)}">${escapeXml(name)}</a>`)
    .join(" ");
  const shapes = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) =>
      `<section id="${escapeXml(name)}"><h3>${escapeXml(name)}</h3>${schemaHtml(schema as Json)}</section>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeXml(document.info.title)}</title><style>${style}</style></head><body>
<h1>${escapeXml(document.info.title)}</h1><p>${escapeXml(document.info.description ?? "")}</p>
<p>Every request carries <code>Authorization: Bearer s3_key_…</code>. The same as <a href="/_/openapi.json">OpenAPI 3.1</a>.</p>
<pre>curl $CAIRN_URL/_/api/v1/whoami -H "Authorization: Bearer $API_KEY"</pre>
<nav>${contents}</nav>
${sections.join("\n")}<h2 id="shapes">Shapes</h2>${shapes.join("\n")}</body></html>`;
}

function anchorOf(name: string): string {
  return escapeXml(name.toLowerCase().replaceAll(" ", "-"));
}

function operationHtml(method: string, path: string, operation: Json): string {
  const parameters = ((operation.parameters ?? []) as Json[]).map(
    (parameter) =>
      `<li><code>${escapeXml(String(parameter.name))}</code> (${parameter.in}) ${typeHtml(parameter.schema as Json)}${remark(parameter.schema as Json)}</li>`,
  );
  const body = contentSchema(operation.requestBody as Json | undefined);
  const answers = Object.entries(operation.responses as Record<string, Json>)
    .filter(([status]) => status !== "default")
    .map(([status, answer]) => {
      const schema = contentSchema(answer);
      if (schema === undefined) return `<p>Answers ${status}, no body.</p>`;
      const members = schemaHtml(schema);
      return `<p>Answers ${status}, JSON: ${members === "" ? typeHtml(schema) : ""}</p>${members}`;
    });
  return `<section><h3><span class="${method}">${method.toUpperCase()}</span> <code>${escapeXml(path)}</code></h3>
<p>${escapeXml(String(operation.summary))}.<br><small>${escapeXml(String(operation.description))}</small></p>
${parameters.length === 0 ? "" : `<ul>${parameters.join("")}</ul>`}${body === undefined ? "" : `<p>Body, JSON:</p>${schemaHtml(body)}`}${answers.join("")}</section>`;
}

function contentSchema(holder: Json | undefined): Json | undefined {
  const content = holder?.content as Record<string, { schema: Json }> | undefined;
  return content?.["application/json"]?.schema;
}

/** The members of an object; nothing for what has a name of its own. */
function schemaHtml(schema: Json): string {
  const properties = schema.properties as Record<string, Json> | undefined;
  if (properties === undefined) return "";
  const required = (schema.required ?? []) as string[];
  const rows = Object.entries(properties).map(
    ([name, property]) =>
      `<li><code>${escapeXml(name)}</code>${required.includes(name) ? "" : " (optional)"} ${typeHtml(property)}${remark(property)}${nestedHtml(property)}</li>`,
  );
  return `<ul>${rows.join("")}</ul>`;
}

/** The members of an object, or of a list's objects, that has no name of its own. */
function nestedHtml(property: Json): string {
  return schemaHtml(((property.items as Json | undefined) ?? property) as Json);
}

/** What a field's description and example add to its type. */
function remark({ description, example }: Json): string {
  const said = description === undefined ? "" : ` – ${escapeXml(String(description))}`;
  return example === undefined
    ? said
    : `${said} <small>Such as <code>${escapeXml(String(example))}</code></small>`;
}

function typeHtml(schema: Json | undefined): string {
  if (schema === undefined) return "";
  if (typeof schema.$ref === "string") {
    const name = escapeXml(schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1));
    return `<a href="#${name}">${name}</a>`;
  }
  if (schema.type === "array") return `list of ${typeHtml(schema.items as Json)}`;
  if (Array.isArray(schema.enum))
    return escapeXml(schema.enum.map((value) => JSON.stringify(value)).join(" | "));
  const alternatives = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (alternatives !== undefined) return alternatives.map(typeHtml).join(" or ");
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : String(schema.type ?? "object");
  return `<em>${escapeXml(type)}</em>${schema.default === undefined ? "" : ` = <code>${escapeXml(JSON.stringify(schema.default))}</code>`}`;
}

const style = `:root{--text:#1b1f24;--back:#fff;--soft:#f2f4f6;--line:#d0d7de;--link:#0550ae;--quiet:#59636e;--get:#0550ae;--post:#116329;--put:#7d4e00;--delete:#a40e26}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--back:#0d1117;--soft:#1d2430;--line:#30363d;--link:#79c0ff;--quiet:#9aa4b0;--get:#79c0ff;--post:#6fdd8b;--put:#e3b341;--delete:#ff8f8a}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--text);background:var(--back)}
h2{margin:2.5rem 0 .5rem}h3{font-size:1.05rem;margin:.8rem 0 .4rem;overflow-wrap:anywhere}a{color:var(--link)}small{color:var(--quiet)}
section{border:1px solid var(--line);border-radius:6px;padding:.1rem 1rem;margin:.8rem 0}section:target{border-color:var(--link)}
code,pre{background:var(--soft);border-radius:3px;font-size:.92em}code{padding:.1em .25em;overflow-wrap:anywhere}h3 code{background:none;padding:0}
pre{padding:.6rem .8rem;overflow-x:auto}nav{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}p{margin:.4rem 0}ul{margin:.2rem 0 .6rem;padding-left:1.2rem}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.delete{color:var(--delete)}`;
