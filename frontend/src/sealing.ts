// Documents become one envelope on this device, in constant memory (envelope.md §7).
//
// Plan pass: every chunk is encrypted and only its leaf is kept. Self-check: the capsule verifies,
// first and last chunk decrypt. Send pass: a chunk whose leaf is not the planned one never leaves, so
// no nonce ever serves two plaintexts.
import sodium from "libsodium-wrappers-sumo";

import { equal, hex, type Json, Refused, release } from "./canonical.ts";
import { type Bytes, randomScalar } from "./group.ts";
import type { Kit } from "./kit.ts";
import { type Manifest, makeManifest, type Piece } from "./package.ts";
import {
  bodyOf,
  checkHead,
  CHUNK,
  Cipher,
  commitmentOf,
  frameOf,
  type Header,
  makeHeader,
  TAG,
} from "./pli1.ts";

export interface Wish {
  readonly kind: string;
  readonly lots: readonly string[];
  readonly intent: string;
  readonly target?: string;
  readonly rehearsal: boolean;
}

// What the depositor was told before sending, and saw when sending: nothing of it is in the envelope.
export interface Warned {
  readonly dossier_version_seen?: number;
  readonly sibling_downloaded?: string;
  readonly drawer_acknowledged?: boolean;
  readonly readability: string;
  readonly readability_acknowledged: boolean;
}

export interface Document {
  readonly name: string;
  readonly file: Blob;
}

// Told how many bytes of how many are done; the caller decides what it shows.
export type Told = (done: number, whole: number) => void;

// The bytes of a blob, one after another through one stream: whatever a browser makes for reading lives
// as long as its collector likes, so there is one of it and not one a piece.
class Source {
  private readonly reader: ReadableStreamDefaultReader<Bytes>;
  private chunk: Bytes = new Uint8Array();
  private used = 0;

  constructor(blob: Blob) {
    this.reader = blob.stream().getReader();
  }

  // Fills the place, with zeros behind the end of the blob; returns how many bytes were the blob's.
  async fill(place: Bytes): Promise<number> {
    let size = 0;
    while (size < place.length) {
      if (this.used === this.chunk.length) {
        release(this.chunk);
        const got = await this.reader.read();
        [this.chunk, this.used] = [got.value ?? new Uint8Array(), 0];
        if (got.done) break;
      }
      const part = this.chunk.subarray(this.used, this.used + place.length - size);
      place.set(part, size);
      size += part.length;
      this.used += part.length;
    }
    place.fill(0, size);
    return size;
  }

  async close(): Promise<void> {
    await this.reader.cancel().catch(() => undefined);
  }
}

// Numbers that follow one another, as [first, end).
function* runs(indices: readonly number[]): Generator<readonly [number, number]> {
  let begin = 0;
  for (let at = 1; at <= indices.length; at++) {
    const [before, index] = [indices[at - 1] as number, indices[at]];
    if (index === before + 1) continue;
    yield [indices[begin] as number, before + 1];
    begin = at;
  }
}

// The plaintext of a package, read piece by piece from where the documents lie.
export class Plaintext {
  readonly size: number;
  readonly chunks: number;
  private readonly whole: Blob;

  constructor(manifest: Manifest, files: readonly Blob[]) {
    this.whole = new Blob([manifest.prefix, ...files]);
    this.size = manifest.size;
    this.chunks = frameOf(bodyOf(this.size)).chunks;
  }

  // Bytes on the line of these chunks, tags included.
  bytesOf(indices: readonly number[]): number {
    return indices.reduce((sum, at) => sum + Math.min(CHUNK, this.size - at * CHUNK) + TAG, 0);
  }

  // Yields pieces in this order; one is read ahead while one is encrypted. A piece is good until the
  // next is asked for: two places serve all of them.
  async *pieces(indices: readonly number[]): AsyncGenerator<readonly [number, Bytes]> {
    const places = [new Uint8Array(CHUNK), new Uint8Array(CHUNK)] as const;
    for (const [first, end] of runs(indices)) {
      const source = new Source(this.whole.slice(first * CHUNK, end * CHUNK));
      try {
        let [now, then] = places;
        let filled = source.fill(now);
        for (let index = first; index < end; index++) {
          await filled;
          if (index + 1 < end) filled = source.fill(then);
          // a failed reading is thrown when its turn comes
          filled.catch(() => undefined);
          yield [index, now.subarray(0, Math.min(CHUNK, this.size - index * CHUNK))];
          [now, then] = [then, now];
        }
      } finally {
        await source.close();
      }
    }
  }
}

const WHOLE = 16 * CHUNK;

// The SHA-256 of a document: WebCrypto takes small ones whole, libsodium large ones by the piece.
export async function digestOf(file: Blob, told: (bytes: number) => void): Promise<string> {
  if (file.size <= WHOLE) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    release(bytes);
    told(file.size);
    return hex(new Uint8Array(digest));
  }
  const state = sodium.crypto_hash_sha256_init();
  const place = new Uint8Array(CHUNK);
  const source = new Source(file);
  for (let at = 0; at < file.size; at += CHUNK) {
    const size = await source.fill(place);
    sodium.crypto_hash_sha256_update(state, place.subarray(0, size));
    told(size);
  }
  return hex(sodium.crypto_hash_sha256_final(state));
}

export async function describe(documents: readonly Document[], told: Told): Promise<Piece[]> {
  const whole = documents.reduce((size, { file }) => size + file.size, 0);
  let done = 0;
  const pieces: Piece[] = [];
  for (const { name, file } of documents) {
    const sha256 = await digestOf(file, (bytes) => told((done += bytes), whole));
    pieces.push({ name, salt: hex(sodium.randombytes_buf(16)), sha256, size: file.size });
  }
  return pieces;
}

export interface Envelope {
  readonly header: Header;
  readonly key: Bytes;
  readonly manifest: Manifest;
  readonly bytes: number;
}

// Head and key of a new envelope; `deposit` and every other random value are drawn here, once.
export function seal(kit: Kit, wish: Wish, pieces: readonly Piece[]): Envelope {
  const keyset = wish.rehearsal ? kit.canary : kit.keyset;
  const manifest = makeManifest(pieces, kit.padding);
  const label: Json = {
    bidder: kit.bidder,
    consultation: kit.consultation,
    deposit: hex(sodium.randombytes_buf(16)),
    dossier: kit.dossier,
    intent: wish.intent,
    keyset: hex(keyset.digest),
    kind: wish.rehearsal ? "REHEARSAL" : wish.kind,
    lots: [...wish.lots].sort(),
    not_before: kit.notBefore,
    round: 1,
    v: 1,
    ...(wish.target === undefined ? {} : { target: wish.target }),
  };
  const nonce = sodium.randombytes_buf(16) as Bytes;
  const draw = { r: randomScalar(), w: randomScalar(), nonce };
  const documents = { count: pieces.length, root: manifest.root };
  const { key, header } = makeHeader(keyset, label, draw, documents);
  checkHead(header.head, keyset.digest);
  return { header, key, manifest, bytes: header.head.length + bodyOf(manifest.size) };
}

const everything = (chunks: number): number[] => Array.from({ length: chunks }, (_, at) => at);

// The plan pass: the leaf of every chunk, and what will be announced.
export async function plan(cipher: Cipher, plaintext: Plaintext, told: Told): Promise<Bytes[]> {
  const leaves: Promise<ArrayBuffer>[] = [];
  const last = plaintext.chunks - 1;
  for await (const [index, piece] of plaintext.pieces(everything(plaintext.chunks))) {
    // the digest copies its bytes before it returns, so the cipher's memory is free again
    const sealed = cipher.encrypt(piece, index, Number(index === last));
    leaves.push(crypto.subtle.digest("SHA-256", sealed));
    if (leaves.length > 2) await leaves[leaves.length - 3];
    told(index * CHUNK + piece.length, plaintext.size);
  }
  return (await Promise.all(leaves)).map((leaf) => new Uint8Array(leaf));
}

// Throws `self-check` unless first and last chunk decrypt to what they hold.
export async function selfCheck(cipher: Cipher, plaintext: Plaintext): Promise<void> {
  const last = plaintext.chunks - 1;
  for await (const [index, piece] of plaintext.pieces([0, last])) {
    const sealed = cipher.encrypt(piece, index, Number(index === last)).slice(1);
    const again = cipher.decrypt(sealed, index, Number(index === last));
    if (!equal(again, piece)) throw new Refused("self-check");
  }
}

export function announced(header: Header, leaves: readonly Uint8Array[]): string {
  return hex(commitmentOf(header.hash, leaves));
}

export interface Chunk {
  readonly index: number;
  readonly leaf: string;
  readonly body: Bytes;
}

// The send pass over these chunks; throws `changed` before a chunk that is not the planned one.
export async function* sent(
  cipher: Cipher,
  plaintext: Plaintext,
  leaves: readonly Uint8Array[],
  indices: readonly number[],
): AsyncGenerator<Chunk> {
  const last = plaintext.chunks - 1;
  for await (const [index, piece] of plaintext.pieces(indices)) {
    const sealed = cipher.encrypt(piece, index, Number(index === last)).slice();
    const leaf = new Uint8Array(await crypto.subtle.digest("SHA-256", sealed));
    const planned = leaves[index];
    if (planned === undefined || !equal(planned, leaf)) throw new Refused("changed", String(index));
    yield { index, leaf: hex(leaf), body: sealed.subarray(1) };
  }
}
