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
    return `<h2>${escapeXml(name)}</h2>${operations.join("")}`;
  });
  const shapes = Object.entries(document.components?.schemas ?? {}).map(
    ([name, schema]) => `<h3 id="${escapeXml(name)}">${escapeXml(name)}</h3>${schemaHtml(schema as Json)}`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeXml(document.info.title)}</title><style>${style}</style></head><body>
<h1>${escapeXml(document.info.title)}</h1><p>${escapeXml(document.info.description ?? "")}</p>
<p>Every request carries <code>Authorization: Bearer s3_key_…</code>. The same as <a href="/_/openapi.json">OpenAPI 3.1</a>.</p>
${sections.join("\n")}<h2>Shapes</h2>${shapes.join("\n")}</body></html>`;
}

function operationHtml(method: string, path: string, operation: Json): string {
  const parameters = ((operation.parameters ?? []) as Json[]).map(
    (parameter) =>
      `<li><code>${escapeXml(String(parameter.name))}</code> (${parameter.in}) ${typeHtml(parameter.schema as Json)}</li>`,
  );
  const body = contentSchema(operation.requestBody as Json | undefined);
  const answers = Object.entries(operation.responses as Record<string, Json>)
    .filter(([status]) => status !== "default")
    .map(([status, answer]) => {
      const schema = contentSchema(answer);
      return `<p>Answers ${status}${schema === undefined ? ", no body" : `: ${typeHtml(schema)}`}</p>${schema === undefined ? "" : schemaHtml(schema)}`;
    });
  return `<section><h3><span class="${method}">${method.toUpperCase()}</span> <code>${escapeXml(path)}</code></h3>
<p>${escapeXml(String(operation.summary))}. ${escapeXml(String(operation.description))}</p>
${parameters.length === 0 ? "" : `<ul>${parameters.join("")}</ul>`}${body === undefined ? "" : `<p>Body:</p>${schemaHtml(body)}`}${answers.join("")}</section>`;
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
      `<li><code>${escapeXml(name)}</code>${required.includes(name) ? "" : " (optional)"} ${typeHtml(property)} ${escapeXml(String(property.description ?? ""))}</li>`,
  );
  return `<ul>${rows.join("")}</ul>`;
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

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
section{border:1px solid #d0d7de;border-radius:6px;padding:0 1rem;margin:1rem 0}code{background:#f2f4f6;padding:0 .2em}
.get{color:#0550ae}.post{color:#116329}.put{color:#7d4e00}.delete{color:#a40e26}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}code{background:#161b22}section{border-color:#30363d}a{color:#79c0ff}}`;
