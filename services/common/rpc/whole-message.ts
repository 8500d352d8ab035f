import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";

/** What a message may be made of: a whole one, or an initialiser with only the fields that are set. */
type Init = Record<string, unknown>;

/** How one member of a message is filled in. */
type Member = {
  readonly name: string;
  /** False for what is left out when it is not set: optional fields and messages. */
  readonly present: boolean;
  readonly zero: () => unknown;
  readonly whole: (value: unknown) => unknown;
};

const same = (value: unknown) => value;
const compiled = new WeakMap<DescMessage, readonly Member[]>();

/**
 * What `create` of protobuf-es makes, for the messages of our contracts (proto3, no well-known types): it walks a
 * message's descriptor each time, which was a tenth of a small request; here each message type is looked at once.
 */
export function wholeMessage(schema: DescMessage, init: unknown): Message {
  const given = init as Init & { $typeName?: string };
  if (given.$typeName === schema.typeName) return given as unknown as Message;
  const message: Init = { $typeName: schema.typeName };
  for (const member of membersOf(schema)) {
    const value = given[member.name];
    if (value !== undefined && value !== null) message[member.name] = member.whole(value);
    else if (member.present) message[member.name] = member.zero();
  }
  return message as unknown as Message;
}

function membersOf(schema: DescMessage): readonly Member[] {
  let members = compiled.get(schema);
  if (members === undefined) {
    members = schema.members.map((member) =>
      member.kind === "oneof" ? oneofMember(member) : fieldMember(schema, member),
    );
    compiled.set(schema, members);
  }
  return members;
}

function oneofMember(oneof: DescOneof): Member {
  const wholes = new Map(oneof.fields.map((field) => [field.localName, wholeOf(field)]));
  return {
    name: oneof.localName,
    present: true,
    zero: () => ({ case: undefined }),
    whole: (value) => {
      const chosen = value as { case?: string; value?: unknown };
      if (chosen.case === undefined) return { case: undefined };
      return { case: chosen.case, value: (wholes.get(chosen.case) ?? same)(chosen.value) };
    },
  };
}

function fieldMember(schema: DescMessage, field: DescField): Member {
  const name = field.localName;
  const whole = wholeOf(field);
  if (field.fieldKind === "list") return { name, present: true, zero: () => [], whole };
  if (field.fieldKind === "map") return { name, present: true, zero: () => ({}), whole };
  // The zero of a field that is always there is what the library puts into an empty message; bytes are made anew.
  const zero = (create(schema) as unknown as Init)[name];
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES && zero !== undefined)
    return { name, present: true, zero: () => new Uint8Array(0), whole };
  return { name, present: zero !== undefined, zero: () => zero, whole };
}

function wholeOf(field: DescField): (value: unknown) => unknown {
  if (field.fieldKind === "message") {
    const { message } = field;
    return (value) => wholeMessage(message, value);
  }
  if (field.fieldKind === "list" && field.listKind === "message") {
    const { message } = field;
    return (value) => (value as unknown[]).map((item) => wholeMessage(message, item));
  }
  if (field.fieldKind === "map" && field.mapKind === "message") {
    const { message } = field;
    return (value) =>
      Object.fromEntries(
        Object.entries(value as Init).map(([key, item]) => [key, wholeMessage(message, item)]),
      );
  }
  return same;
}
