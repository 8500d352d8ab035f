import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  type Message,
} from "@bufbuild/protobuf";
import {
  type BytesRules,
  type FieldRules,
  Ignore,
  message as messageOption,
  oneof as oneofOption,
  type RepeatedRules,
  field as ruleOption,
  type StringRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** True when a value keeps its rules for certain; false says nothing. */
type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, unknown>>;

const checks = new WeakMap<DescMessage, Check>();

/**
 * True when a whole message keeps every rule of its contract for certain. It knows the rules that most fields have,
 * compiled once a message type; where it meets another, or a value that may break one, it answers false and
 * protovalidate, which was a tenth of a small PUT, decides and finds the words.
 */
export function surelyValid(schema: DescMessage, message: Message): boolean {
  return checkOf(schema)(message);
}

const always: Check = () => true;
const unsure: Check = () => false;

function checkOf(schema: DescMessage): Check {
  const known = checks.get(schema);
  if (known !== undefined) return known;
  // A message that holds itself finds this one, which looks the compiled one up when it is called.
  checks.set(schema, (value) => checkOf(schema)(value));
  const compiled = compile(schema);
  checks.set(schema, compiled);
  return compiled;
}

function compile(schema: DescMessage): Check {
  const { cel, celExpression, oneof } = getOption(schema, messageOption);
  if (cel.length > 0 || celExpression.length > 0 || oneof.length > 0) return unsure;
  const members = schema.members
    .map((member) => (member.kind === "oneof" ? oneofCheck(member) : memberCheck(member)))
    .filter((check) => check !== always);
  if (members.length === 0) return always;
  return (value) => {
    for (const check of members) if (!check(value)) return false;
    return true;
  };
}

function oneofCheck(oneof: DescOneof): Check {
  const { required } = getOption(oneof, oneofOption);
  const cases = new Map(oneof.fields.map((field) => [field.localName, valueCheck(field)]));
  if (!required && [...cases.values()].every((check) => check === always)) return always;
  const name = oneof.localName;
  return (message) => {
    const chosen = (message as Fields)[name] as { case?: string; value?: unknown };
    if (chosen.case === undefined) return !required;
    return (cases.get(chosen.case) ?? unsure)(chosen.value);
  };
}

function memberCheck(field: DescField): Check {
  const check = valueCheck(field);
  const { required } = getOption(field, ruleOption);
  if (check === always && !required) return always;
  const name = field.localName;
  return (message) => {
    const value = (message as Fields)[name];
    // What is required and has a zero of its own is rare: protovalidate knows whether that is set.
    if (value === undefined) return !required;
    return (!required || field.fieldKind === "message") && check(value);
  };
}

/** Of a value that is there. */
function valueCheck(field: DescField): Check {
  const rules = getOption(field, ruleOption);
  if (rules.cel.length > 0 || rules.celExpression.length > 0 || rules.ignore !== Ignore.UNSPECIFIED)
    return unsure;
  if (field.fieldKind === "message") return rules.type.case === undefined ? checkOf(field.message) : unsure;
  if (field.fieldKind === "list") return listCheck(field, rules);
  if (field.fieldKind === "map") return mapCheck(field, rules);
  return plainCheck(
    rules,
    field.fieldKind === "enum" ? new Set(field.enum.values.map((v) => v.number)) : undefined,
  );
}

function listCheck(field: DescField & { fieldKind: "list" }, rules: FieldRules): Check {
  const nested = field.listKind === "message" ? checkOf(field.message) : always;
  if (rules.type.case === undefined) return nested === always ? always : each(nested);
  if (rules.type.case !== "repeated") return unsure;
  const { minItems, maxItems, items, unique, ...rest }: RepeatedRules = rules.type.value;
  if (isUnknown(rest)) return unsure;
  const values = field.listKind === "enum" ? new Set(field.enum.values.map((v) => v.number)) : undefined;
  const item = items === undefined ? nested : nested === always ? itemCheck(items, values) : unsure;
  return (value) => {
    const list = value as readonly unknown[];
    if (list.length < Number(minItems) || list.length > Number(maxItems || Number.MAX_SAFE_INTEGER))
      return false;
    if (unique && new Set(list).size < list.length) return false;
    return item === always || list.every(item);
  };
}

function itemCheck(rules: FieldRules, enumValues: ReadonlySet<number> | undefined): Check {
  if (rules.cel.length > 0 || rules.celExpression.length > 0 || rules.required) return unsure;
  return rules.ignore === Ignore.UNSPECIFIED ? plainCheck(rules, enumValues) : unsure;
}

const each =
  (check: Check): Check =>
  (value) =>
    (value as readonly unknown[]).every(check);

/** Only how many pairs there are; rules of keys and values are left to protovalidate. */
function mapCheck(field: DescField & { fieldKind: "map" }, rules: FieldRules): Check {
  const nested = field.mapKind === "message" ? checkOf(field.message) : always;
  if (rules.type.case === undefined && nested === always) return always;
  if (rules.type.case !== "map" || nested !== always) return unsure;
  const { maxPairs, minPairs, ...rest } = rules.type.value;
  if (minPairs !== 0n || isUnknown(rest)) return unsure;
  return (value) => {
    const pairs = Object.keys(value as Fields).length;
    return pairs === 0 || pairs <= Number(maxPairs);
  };
}

function plainCheck(rules: FieldRules, enumValues: ReadonlySet<number> | undefined): Check {
  const { type } = rules;
  switch (type.case) {
    case undefined:
      return always;
    case "string":
      return stringCheck(type.value);
    case "bytes":
      return bytesCheck(type.value);
    case "enum": {
      const { definedOnly, ...rest } = type.value;
      if (!definedOnly || enumValues === undefined || isUnknown(rest)) return unsure;
      return (value) => enumValues.has(value as number);
    }
    case "int32":
    case "int64":
    case "uint32":
    case "uint64": {
      const { greaterThan, lessThan, ...rest } = type.value;
      if (isUnknown(rest)) return unsure;
      const { case: low, value: from = 0 } = greaterThan;
      const { case: high, value: to = 0 } = lessThan;
      // An upper bound below the lower one means "outside of".
      if (low !== undefined && high !== undefined && to < from) return unsure;
      return (value) => {
        const number = value as number | bigint;
        if (low !== undefined && !(low === "gt" ? number > from : number >= from)) return false;
        return high === undefined || (high === "lt" ? number < to : number <= to);
      };
    }
    default:
      return unsure;
  }
}

const uuid = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

function stringCheck(rules: StringRules): Check {
  const { minLen, maxLen, minBytes, maxBytes, wellKnown, strict: _, ...rest } = rules;
  if (isUnknown(rest) || (wellKnown.case !== undefined && wellKnown.case !== "uuid")) return unsure;
  const most = Number(maxLen || Number.MAX_SAFE_INTEGER);
  const mostBytes = Number(maxBytes || Number.MAX_SAFE_INTEGER);
  // A character of these rules is one or two of JavaScript's, and one to four bytes.
  const least = Math.max(2 * Number(minLen) - 1, Number(minBytes));
  const isUuid = wellKnown.case === "uuid" && wellKnown.value;
  return (value) => {
    const text = value as string;
    if (text.length < least || text.length > most) return false;
    if (text.length * 3 > mostBytes && Buffer.byteLength(text) > mostBytes) return false;
    return !isUuid || uuid.test(text);
  };
}

function bytesCheck({ minLen, maxLen, ...rest }: BytesRules): Check {
  if (isUnknown(rest)) return unsure;
  const most = Number(maxLen || Number.MAX_SAFE_INTEGER);
  return (value) => {
    const { length } = value as Uint8Array;
    return length >= Number(minLen) && length <= most;
  };
}

/** Whether any other rule is set: a rule that is not has the empty value of its type. */
function isUnknown(rest: object): boolean {
  return Object.entries(rest).some(([name, value]) => {
    if (name === "$typeName") return false;
    if (Array.isArray(value) || typeof value === "string" || value instanceof Uint8Array)
      return value.length > 0;
    if (typeof value === "object" && value !== null && "case" in value) return value.case !== undefined;
    return value !== undefined && value !== 0 && value !== 0n && value !== false;
  });
}
