// Canonical JSON (envelope.md 1.2): one byte form for each object, anything else is refused.
//
// Bytes are accepted where what they say, written again, is exactly these bytes; so duplicate keys,
// spaces, other escapes and numbers in other forms never pass, and nothing is ever repaired.
export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
export type Fields = Readonly<Record<string, Json>>;

// A refusal of the format: `code` is the word of the known answers.
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, about = "") {
    super(about ? `${code}: ${about}` : code);
    this.code = code;
  }
}

const KEY = /^[a-z][a-z0-9_]{0,63}$/;
const NUL_OR_LONE = /\0|\p{Surrogate}/u;
const DEEPEST = 16;

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

function written(value: unknown, level: number): string {
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  if (typeof value === "string" && !NUL_OR_LONE.test(value)) return JSON.stringify(value);
  if (typeof value !== "object" || value === null || level > DEEPEST) {
    throw new Refused("canonical", "a value that the profile does not know");
  }
  if (Array.isArray(value)) return `[${value.map((item) => written(item, level + 1)).join(",")}]`;
  const pairs = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  if (pairs.some(([key]) => !KEY.test(key))) throw new Refused("canonical", "a key");
  return `{${pairs.map(([key, item]) => `"${key}":${written(item, level + 1)}`).join(",")}}`;
}

export function encode(value: Json): Uint8Array<ArrayBuffer> {
  return utf8(written(value, 1));
}

export function decode(bytes: Uint8Array): Fields {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw new Refused("canonical", "no JSON in UTF-8");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refused("canonical", "no object");
  }
  if (written(value, 1) !== text) throw new Refused("canonical", "another form of the same");
  return value as Fields;
}

// Closed forms: exactly these keys, these words, this many digits.
function form(holds: boolean, about: string): asserts holds {
  if (!holds) throw new Refused("form", about);
}

export function members(value: unknown, keys: readonly string[]): Fields {
  form(typeof value === "object" && value !== null && !Array.isArray(value), "an object is due");
  const found = Object.keys(value);
  form(found.length === keys.length && keys.every((key) => found.includes(key)), found.join());
  return value as Fields;
}

export function items(value: unknown, low: number, high: number): readonly Json[] {
  form(Array.isArray(value) && value.length >= low && value.length <= high, "a list is due");
  return value;
}

export function integer(value: unknown, low: number, high: number): number {
  form(Number.isSafeInteger(value), "an integer is due");
  const number = value as number;
  form(number >= low && number <= high, `${number} is outside ${low} to ${high}`);
  return number;
}

export function match(value: unknown, pattern: RegExp): string {
  form(typeof value === "string" && pattern.test(value), String(pattern));
  return value;
}

export function word(value: unknown, words: readonly string[]): string {
  form(typeof value === "string" && words.includes(value), words.join(" "));
  return value;
}

export function octets(value: unknown, size: number): Uint8Array<ArrayBuffer> {
  const text = match(value, /^(?:[0-9a-f]{2})*$/);
  form(text.length === 2 * size, `${size} bytes of hex are due`);
  return unhex(text);
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const TIME =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;

// A real instant `YYYY-MM-DDThh:mm:ss.ffffffZ`; the 31st of February is none.
export function instant(value: unknown): string {
  const text = match(value, TIME);
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  form(text >= "0001" && !Number.isNaN(day.getTime()), text);
  form(day.toISOString().slice(0, 10) === text.slice(0, 10), text);
  return text;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, place) => byte === other[place]);
}

// Gives the memory of bytes back now: what a closed port is handed is gone. A collector counts only its
// own small objects and would let tens of MiB lie. `ArrayBuffer.transfer` is no way to do it: Chromium
// keeps what was transferred away and forgets to count it, 1 GiB for a document of 256 MiB.
const nowhere = new MessageChannel().port1;
nowhere.close();

export function release(bytes: Uint8Array<ArrayBuffer>): void {
  nowhere.postMessage(undefined, [bytes.buffer]);
}
