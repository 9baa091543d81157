// The file PLI1 as the browser makes it (envelope.md 3, 5): label, header, chunks, tree, commitment.
// The same known answers as the Python package `crypto` hold it.
//
// Nothing here reads a disk, a clock or the network; random values are arguments.
import sodium from "libsodium-wrappers-sumo";

import {
  concat,
  decode,
  encode,
  type Fields,
  hex,
  instant,
  integer,
  items,
  type Json,
  match,
  members,
  octets,
  Refused,
  utf8,
  word,
} from "./canonical.ts";
import { type Bytes, checkCapsule, H, number, sha256 } from "./group.ts";
import { encapsulate, IDENTIFIER, type Keyset } from "./keyset.ts";

export const CHUNK = 1_048_576;
export const TAG = 16;
export const SUITE = "PLI1-edwards25519-TDH2-XChaCha20Poly1305";
export const LOT = /^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/;
const CANARY_KINDS = ["REHEARSAL", "CANARY"];
const KINDS = ["APPLICATION", "OFFER", "BOTH", "FINAL_OFFER", "BACKUP", ...CANARY_KINDS];
const DOCUMENTS_MOST = 65_536;
const HEADER_MOST = 65_536;

// Returns the label if its form is the one of envelope.md §3, else refuses it as a header.
export function readLabel(value: unknown): Fields {
  return asHeader(() => {
    const intent = String((value as Fields | null)?.["intent"]);
    const targeted = intent === "REPLACE" || intent === "COMPLEMENT";
    const keys = ["bidder", "consultation", "deposit", "dossier", "intent", "keyset", "kind"];
    keys.push("lots", "not_before", "round", "v", ...(targeted ? ["target"] : []));
    const label = members(value, keys);
    integer(label["v"], 1, 1);
    const kind = word(label["kind"], KINDS);
    word(label["intent"], kind === "BACKUP" ? ["INITIAL"] : ["INITIAL", "REPLACE", "COMPLEMENT"]);
    for (const name of ["bidder", "dossier", "keyset"]) octets(label[name], 32);
    for (const name of ["deposit", ...(targeted ? ["target"] : [])]) octets(label[name], 16);
    match(label["consultation"], IDENTIFIER);
    const lots = items(label["lots"], 1, kind === "APPLICATION" ? 500 : 1);
    lots.forEach((lot, place) => {
      const before = lots[place - 1];
      if (before !== undefined && before >= match(lot, LOT)) throw new Refused("form", "lots");
      match(lot, LOT);
    });
    instant(label["not_before"]);
    integer(label["round"], 1, 99);
    return label;
  });
}

function asHeader<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refused) throw new Refused("header", error.message);
    throw error;
  }
}

export interface Draw {
  readonly r: Bytes;
  readonly w: Bytes;
  readonly nonce: Bytes;
}

export interface Documents {
  readonly count: number;
  readonly root: Uint8Array;
}

// The head of one envelope and its key K. A draw serves one envelope and unchanged documents only.
export function makeHeader(keyset: Keyset, wanted: Json, draw: Draw, documents: Documents) {
  const label = readLabel(wanted);
  if (label["keyset"] !== hex(keyset.digest)) throw new Refused("keyset");
  const rehearsed = CANARY_KINDS.includes(String(label["kind"]));
  if (rehearsed !== (keyset.purpose === "canary")) throw new Refused("purpose");
  const { capsule, key } = encapsulate(keyset, encode(label), draw.r, draw.w);
  const encoded = encode({
    capsule: hex(capsule),
    chunk: CHUNK,
    commit: hex(keyCommitment(key)),
    documents_count: documents.count,
    documents_root: hex(documents.root),
    label,
    nonce: hex(draw.nonce),
    suite: SUITE,
  });
  // reading back what was written: a header that no server would accept is never used
  return { key, header: readHeader(encoded) };
}

export interface Header {
  readonly encoded: Bytes;
  readonly head: Bytes;
  readonly hash: Bytes;
  readonly nonce: Bytes;
  readonly fields: Fields;
}

export function readHeader(encoded: Bytes): Header {
  const fields = asHeader(() => decode(encoded));
  if (typeof fields["suite"] !== "string") throw new Refused("header", "suite");
  if (fields["suite"] !== SUITE) throw new Refused("suite", fields["suite"]);
  return asHeader(() => {
    const keys = ["capsule", "chunk", "commit", "documents_count", "documents_root"];
    members(fields, [...keys, "label", "nonce", "suite"]);
    integer(fields["chunk"], CHUNK, CHUNK);
    integer(encoded.length, 0, HEADER_MOST);
    octets(fields["capsule"], 128);
    octets(fields["commit"], 32);
    integer(fields["documents_count"], 1, DOCUMENTS_MOST);
    octets(fields["documents_root"], 32);
    readLabel(fields["label"]);
    const nonce = octets(fields["nonce"], 16);
    const head = concat(utf8("PLI1"), number(encoded.length, 4), encoded);
    return { encoded, head, hash: sha256(encoded), nonce, fields };
  });
}

// The length that the first eight bytes of a file announce.
export function headerLength(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const magic = file.length >= 8 && view.getUint32(0) === 0x504c4931;
  if (!magic || view.getUint32(4) > HEADER_MOST) throw new Refused("framing", "PLI1 and a length");
  return view.getUint32(4);
}

// What a server accepts before any chunk: everything before chunk 0, exactly.
export function checkHead(head: Bytes, keyset: Uint8Array): Header {
  if (head.length !== 8 + headerLength(head)) throw new Refused("framing", "the length of the head");
  const header = readHeader(head.slice(8));
  const label = header.fields["label"] as Fields;
  if (label["keyset"] !== hex(keyset)) throw new Refused("keyset");
  checkCapsule(keyset, encode(label), octets(header.fields["capsule"], 128));
  return header;
}

export interface Frame {
  readonly chunks: number;
  readonly last: number;
}

export function frameOf(body: number): Frame {
  const chunks = Math.ceil(body / (CHUNK + TAG));
  const last = body - (chunks - 1) * (CHUNK + TAG);
  if (body < TAG || chunks > 2 ** 20 || (chunks > 1 && last <= TAG)) {
    throw new Refused("framing", `a body of ${body} bytes`);
  }
  return { chunks, last };
}

export function bodyOf(plaintext: number): number {
  return plaintext + TAG * Math.max(1, Math.ceil(plaintext / CHUNK));
}

export function keyCommitment(key: Uint8Array): Bytes {
  return H("pli/v1/key-commit", key);
}

export function commitmentOf(header: Uint8Array, leaves: readonly Uint8Array[]): Bytes {
  return H("pli/v1/deposit", header, root(leaves), number(leaves.length, 8));
}

export const leafOf = (data: Uint8Array): Bytes => sha256(concat(Uint8Array.of(0), data));
export const nodeOf = (left: Uint8Array, right: Uint8Array): Bytes =>
  sha256(concat(Uint8Array.of(1), left, right));

// The root of RFC 6962 over leaf hashes: an odd one out goes up a level as it is.
export function root(leaves: readonly Uint8Array[]): Bytes {
  if (leaves.length === 0) return sha256(new Uint8Array());
  let level = [...leaves];
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let place = 0; place < level.length; place += 2) {
      const [left, right] = [level[place], level[place + 1]];
      if (left) above.push(right ? nodeOf(left, right) : left);
    }
    level = above;
  }
  return level[0] as Bytes;
}

// What libsodium's own module offers below its wrapper: memory that is used again for each chunk.
interface Memory {
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  _malloc(size: number): number;
  // lengths are 64 bits, low half first
  _crypto_aead_xchacha20poly1305_ietf_encrypt(...places: number[]): number;
  _crypto_aead_xchacha20poly1305_ietf_decrypt(...places: number[]): number;
}

let places: { chunk: number; small: number } | undefined;

// One key and one header for all chunks of an envelope (envelope.md §5).
export class Cipher {
  private readonly key: Bytes;
  private readonly header: Header;

  constructor(key: Uint8Array, header: Header) {
    this.header = header;
    this.key = H("pli/v1/payload", key, header.hash);
  }

  // Returns the ciphertext in the module's own memory, behind a zero byte: what its leaf hashes.
  // It is good until the next call.
  encrypt(plain: Uint8Array, index: number, last: number): Bytes {
    const { memory, chunk, small } = this.placed(index, last);
    memory.HEAPU8[chunk] = 0;
    memory.HEAPU8.set(plain, chunk + 1);
    const at = chunk + 1;
    memory._crypto_aead_xchacha20poly1305_ietf_encrypt(
      ...[at, 0, at, plain.length, 0, small, 32, 0, 0, small + 32, small + 64],
    );
    return memory.HEAPU8.subarray(chunk, at + plain.length + TAG);
  }

  decrypt(sealed: Uint8Array, index: number, last: number): Bytes {
    const { memory, chunk, small } = this.placed(index, last);
    memory.HEAPU8.set(sealed, chunk);
    const failed = memory._crypto_aead_xchacha20poly1305_ietf_decrypt(
      ...[chunk, 0, 0, chunk, sealed.length, 0, small, 32, 0, small + 32, small + 64],
    );
    if (failed || sealed.length < TAG) throw new Refused("chunk", String(index));
    return memory.HEAPU8.slice(chunk, chunk + sealed.length - TAG);
  }

  private placed(index: number, last: number) {
    const memory = (sodium as unknown as { readonly libsodium: Memory }).libsodium;
    places ??= { chunk: memory._malloc(1 + CHUNK + TAG), small: memory._malloc(96) };
    const nonce = concat(this.header.nonce, number(index, 7), Uint8Array.of(last));
    // additional data, nonce (24 bytes, padded to 32), key
    memory.HEAPU8.set(concat(this.header.hash, nonce, new Uint8Array(8), this.key), places.small);
    return { memory, ...places };
  }
}
