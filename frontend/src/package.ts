// The package inside every envelope (envelope.md §6): names, manifest, how its length is hidden.
import { concat, encode, integer, items, type Json, octets, Refused, utf8 } from "./canonical.ts";
import { type Bytes, number } from "./group.ts";
import { leafOf, root } from "./pli1.ts";

const MANIFEST_MOST = 16 * 1024 * 1024;
const DOCUMENTS_MOST = 65_536;

export function padme(length: number): number {
  if (length < 2) return length;
  const exponent = BigInt(BigInt(length).toString(2).length - 1);
  const step = 1n << (exponent - BigInt(exponent.toString(2).length));
  return Number(((BigInt(length) + step - 1n) / step) * step);
}

export const padded = (length: number): number => padme(Math.max(length, 65_536));

const FORBIDDEN =
  /[\\\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

// Refuses a name that would leave its folder or deceive its reader (envelope.md §6).
export function checkName(name: string): void {
  const length = [...name].length;
  const segments = name.split("/");
  const strange = segments.some((segment) => ["", ".", ".."].includes(segment));
  if (length < 1 || length > 255 || FORBIDDEN.test(name) || strange) throw new Refused("name", name);
}

export interface Piece {
  readonly name: string;
  readonly salt: string;
  readonly sha256: string;
  readonly size: number;
}

export interface Manifest {
  readonly encoded: Bytes;
  readonly prefix: Bytes;
  readonly root: Bytes;
  readonly size: number;
}

export function makeManifest(pieces: readonly Piece[], padding: "none" | "padme"): Manifest {
  for (const piece of pieces) checkName(piece.name);
  const documents = pieces.map(({ name, salt, sha256: digest, size }) => {
    octets(salt, 16);
    octets(digest, 32);
    integer(size, 0, Number.MAX_SAFE_INTEGER);
    return { kind: "piece/v1", name, salt, sha256: digest, size };
  });
  items(documents as Json, 1, DOCUMENTS_MOST);
  const encoded = encode({ documents, padding, v: 1 });
  if (encoded.length > MANIFEST_MOST) throw new Refused("package", "the manifest is too long");
  const prefix = concat(utf8("PLP1"), number(encoded.length, 4), encoded);
  const whole = pieces.reduce((size, piece) => size + piece.size, prefix.length);
  const size = padding === "padme" ? padded(whole) : whole;
  return { encoded, prefix, root: root(documents.map((one) => leafOf(encode(one)))), size };
}
