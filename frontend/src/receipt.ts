// A receipt, believed only once it proves this very envelope (c2sp.org/tlog-proof, RFC 6962).
//
// The policy is the one of the kit: whose signature counts, for which sizes of the log. A receipt in
// its first form bears the log's signature alone, so a policy that asks for witnesses is refused.
import {
  concat,
  decode,
  encode,
  equal,
  type Fields,
  hex,
  integer,
  match,
  members,
  Refused,
  utf8,
} from "./canonical.ts";
import { type Bytes, sha256 } from "./group.ts";
import { checkSignature } from "./keyset.ts";
import { leafOf, nodeOf } from "./pli1.ts";

const FIELDS = ["at", "data", "kind", "prev", "salt", "stream", "v", "version"];
const LOG = 1;
const NAME = /^[^\s+\x85]+$/;
const SIGNATURES_MOST = 100;
const PATH_MOST = 63;

function refuse(about: string): never {
  throw new Refused("receipt", about);
}

function base64(text: string, size?: number): Bytes {
  let bytes: Bytes;
  try {
    bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  } catch {
    return refuse("base64");
  }
  const right = size === undefined || bytes.length === size;
  return right && btoa(String.fromCharCode(...bytes)) === text ? bytes : refuse("base64");
}

function decimal(text: string): number {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) refuse("a number");
  return integer(Number(text), 0, Number.MAX_SAFE_INTEGER);
}

// Splits at the last place where the separator stands, or refuses.
function splitLast(text: string, separator: string): readonly [string, string] {
  const at = text.lastIndexOf(separator);
  return at < 0 ? refuse("no empty line") : [text.slice(0, at), text.slice(at + separator.length)];
}

interface LogKey {
  readonly name: string;
  readonly id: string;
  readonly key: Bytes;
  readonly from: number;
  readonly end: number;
}

function keysOf(policy: string): readonly LogKey[] {
  const lines = policy.split("\n").map((line) => line.trim().split(/[ \t]+/));
  if (!lines.some(([what, whom]) => what === "quorum" && whom === "none")) refuse("the quorum");
  return lines
    .filter(([what]) => what === "log")
    .map(([, vkey = ""]) => {
      // the key itself is base64, which may hold the sign + too
      const [, name = "", id = "", encoded = ""] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(vkey) ?? [];
      const typed = base64(encoded);
      const known = sha256(concat(utf8(`${name}\n`), typed)).slice(0, 4);
      if (typed.length !== 33 || typed[0] !== LOG || hex(known) !== id) refuse("a key");
      const valid = lines.find(([what, whom]) => what === "#pli-valid" && whom === vkey);
      const end = valid?.[3] === undefined ? Number.POSITIVE_INFINITY : decimal(valid[3]);
      return { name, id, key: typed.slice(1), from: decimal(valid?.[2] ?? "0"), end };
    });
}

// Returns size and root of a checkpoint that a key in force signed. A note is read as strictly as
// elsewhere, also in lines of keys that nobody here knows: one text, one verdict.
function checkpoint(note: string, policy: string) {
  if (/[\x00-\x09\x0b-\x1f]/.test(note) || !note.endsWith("\n")) refuse("a control character");
  const [body, signatures] = splitLast(note, "\n\n");
  const [origin = "", written = "", rootText = "", ...extensions] = body.split("\n");
  if (!NAME.test(origin) || extensions.includes("")) refuse("the lines of the checkpoint");
  const size = decimal(written);
  const root = base64(rootText, 32);
  const lines = signatures.slice(0, -1).split("\n");
  if (lines.length > SIGNATURES_MOST) refuse("the number of signatures");
  let signed = false;
  for (const line of lines) {
    const [, name = "", encoded = ""] = /^— ([^ ]+) (.+)$/.exec(line) ?? refuse("a signature line");
    const data = base64(encoded);
    if (!NAME.test(name) || data.length <= 4) refuse("a signature line");
    const id = hex(data.slice(0, 4));
    for (const known of keysOf(policy)) {
      if (known.name !== name || known.id !== id) continue;
      checkSignature(data.slice(4), utf8(`${body}\n`), known.key);
      signed ||= name === origin && known.from <= size && size < known.end;
    }
  }
  return signed ? { size, root } : refuse("no key of the log signed it");
}

function checkInclusion(leaf: Bytes, index: number, size: number, path: Bytes[], root: Bytes) {
  if (index >= size) refuse("the index");
  let place = index;
  let last = size - 1;
  let reached = leaf;
  for (const step of path) {
    if (last === 0) refuse("the path is too long");
    if (place % 2 === 1 || place === last) {
      reached = nodeOf(step, reached);
      while (place % 2 === 0 && place !== 0) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else {
      reached = nodeOf(reached, step);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0 || !equal(reached, root)) refuse("it is not in the log");
}

// Returns the entry inside a tlog-proof once it is proven under the policy.
export function provenEntry(proof: string, policy: string): Fields {
  const blank = proof.indexOf("\n\n");
  const [first, extra = "", index = "", ...path] = proof.slice(0, blank).split("\n");
  if (blank < 0 || first !== "c2sp.org/tlog-proof@v1") refuse("its first line");
  if (!extra.startsWith("extra ") || !index.startsWith("index ")) refuse("its lines");
  const entry = base64(extra.slice(6));
  const found = checkpoint(proof.slice(blank + 2), policy);
  const at = decimal(index.slice(6));
  if (path.length > PATH_MOST) refuse("the path is too long");
  const steps = path.map((step) => base64(step, 32));
  checkInclusion(leafOf(entry), at, found.size, steps, found.root);
  const fields = members(decode(entry), FIELDS);
  match(fields["stream"], /^[a-z][a-z0-9-]{0,31}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$/);
  return fields;
}

// Checks that a proof is about this stream, and about nothing that was sealed otherwise.
export function checkProof(proof: string, policy: string, told: readonly string[], due: Fields) {
  const entry = provenEntry(proof, policy);
  const data = entry["data"] as Fields;
  const found = `${String(entry["kind"])} ${String(entry["stream"])}`;
  if (!told.includes(found)) refuse(found);
  for (const [name, value] of Object.entries(due)) {
    const said = data[name];
    if (said === undefined || !equal(encode([said]), encode([value]))) refuse(name);
  }
  return { kind: String(entry["kind"]), data };
}
