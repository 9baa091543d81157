// Answers every vector of the operations that the browser needs, one JSON line each, as `pli vectors`
// does for Python. `expect` and `out` are never read: what comes out is what the product does.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { checkPoint, checkScalar, H, H64, HS, BASE, SECOND_BASE, checkCapsule, selfTest } from "../../frontend/src/group.ts";
import * as canonical from "../../frontend/src/canonical.ts";
import * as keysets from "../../frontend/src/keyset.ts";
import * as packages from "../../frontend/src/package.ts";
import * as pli1 from "../../frontend/src/pli1.ts";

const { Refused, decode, encode, hex, unhex } = canonical;
const digestOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

function plaintext(recipe) {
  if ("hex" in recipe) return canonical.concat(unhex(recipe.hex), new Uint8Array(recipe.zeros ?? 0));
  const blocks = [];
  for (let block = 0; block < Math.ceil(recipe.size / 32); block++) {
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(block));
    blocks.push(createHash("sha256").update(recipe.gen).update(place).digest());
  }
  return new Uint8Array(Buffer.concat(blocks).subarray(0, recipe.size));
}

class Book {
  constructor(document) {
    this.keysets = document.keysets ?? {};
    this.cases = new Map(document.vectors.map((each) => [each.id, each.in]));
    this.sealed = new Map();
  }

  seal(given) {
    const known = JSON.stringify(given);
    if (!this.sealed.has(known)) this.sealed.set(known, this.made(given));
    return this.sealed.get(known);
  }

  made(given) {
    const keyset = keysets.readKeyset(this.keysets[given.keyset]);
    const draw = { r: unhex(given.r), w: unhex(given.w), nonce: unhex(given.nonce) };
    const documents = { count: given.documents_count, root: unhex(given.documents_root) };
    const { key, header } = pli1.makeHeader(keyset, given.label, draw, documents);
    const plain = plaintext(given.plaintext);
    const count = Math.max(1, Math.ceil(plain.length / pli1.CHUNK));
    const cipher = new pli1.Cipher(key, header);
    const leaves = [];
    const chunks = [];
    for (let place = 0; place < count; place++) {
      const piece = plain.slice(place * pli1.CHUNK, (place + 1) * pli1.CHUNK);
      const sealed = cipher.encrypt(piece, place, Number(place === count - 1)).slice(1);
      leaves.push(pli1.leafOf(sealed));
      chunks.push(sealed);
    }
    return { key, header, leaves, cipher, file: canonical.concat(header.head, ...chunks) };
  }

  file(recipe) {
    const { cipher, header, file } = this.seal(this.cases.get(recipe.seal));
    let data = file;
    if (recipe.chunks) {
      const made = recipe.chunks.map(([index, last, plain]) =>
        cipher.encrypt(plaintext(plain), index, last).slice(1),
      );
      data = canonical.concat(header.head, ...made);
    }
    for (const edit of recipe.edits ?? []) data = edited(data, edit, header.head.length);
    return data;
  }
}

function edited(data, edit, head) {
  if (edit.flip) {
    const changed = data.slice();
    changed[edit.flip[0]] ^= edit.flip[1];
    return changed;
  }
  if ("cut" in edit) return data.slice(0, edit.cut);
  if ("append" in edit) return canonical.concat(data, unhex(edit.append));
  const full = pli1.CHUNK + pli1.TAG;
  const part = (place) => data.slice(head + place * full, head + (place + 1) * full);
  return canonical.concat(data.slice(0, head), ...edit.order.map(part));
}

function committed(file) {
  const length = pli1.headerLength(file);
  if (file.length < 8 + length) throw new Refused("framing");
  const encoded = file.slice(8, 8 + length);
  const body = file.slice(8 + length);
  const frame = pli1.frameOf(body.length);
  const full = pli1.CHUNK + pli1.TAG;
  const chunks = Array.from({ length: frame.chunks }, (_, place) =>
    body.slice(place * full, (place + 1) * full),
  );
  const leaves = chunks.map(pli1.leafOf);
  const hash = unhex(digestOf(encoded));
  return { encoded, chunks, leaves, hash, commitment: pli1.commitmentOf(hash, leaves) };
}

// The browser opens nothing but its own first and last chunk; here its parts open a whole file.
function opened(book, given) {
  const file = book.file(given.file);
  let found;
  try {
    found = committed(file);
  } catch (error) {
    throw given.recorded === "of-file" ? error : new Refused("commitment");
  }
  const recorded = given.recorded === "of-file" ? hex(found.commitment) : given.recorded;
  if (hex(found.commitment) !== recorded) throw new Refused("commitment");
  const header = pli1.readHeader(found.encoded);
  if (hex(encode(header.fields.label)) !== hex(encode(given.label))) throw new Refused("label");
  const key = unhex(given.key);
  if (header.fields.commit !== hex(pli1.keyCommitment(key))) throw new Refused("key");
  const cipher = new pli1.Cipher(key, header);
  const last = found.chunks.length - 1;
  const parts = found.chunks.map((chunk, at) => cipher.decrypt(chunk, at, Number(at === last)));
  const content = canonical.concat(...parts);
  return { sha256: digestOf(content), size: content.length };
}

const OPERATIONS = {
  constants: () => ({
    B: hex(BASE),
    G2: hex(SECOND_BASE),
    chunk: pli1.CHUNK,
    suite: pli1.SUITE,
  }),
  H: (_, given) => ({
    digest: hex({ 32: H, 64: H64 }[given.size](given.tag, ...given.parts.map(unhex))),
  }),
  HS: (_, given) => ({ scalar: hex(HS(given.tag, ...given.parts.map(unhex))) }),
  canon: (_, given) => void decode(unhex(given.bytes)),
  tree: (_, given) => ({
    root: hex(pli1.root(given.leaves.map((leaf) => pli1.leafOf(unhex(leaf))))),
  }),
  padme: (_, given) => ({
    padded: packages.padme(given.length),
    floored: packages.padded(given.length),
  }),
  bidder: (_, given) => ({
    tag: keysets.bidderTag(given.consultation, unhex(given.salt), given.operator),
  }),
  point: (_, given) => void checkPoint(unhex(given.point)),
  scalar: (_, given) => void checkScalar(unhex(given.scalar)),
  keyset: (_, given) => {
    const found = keysets.readKeyset(given.doc);
    return { ceremony: hex(found.cid), digest: hex(found.digest) };
  },
  encaps: (book, given) => {
    const keyset = keysets.readKeyset(book.keysets[given.keyset]);
    const label = encode(given.label);
    const made = keysets.encapsulate(keyset, label, unhex(given.r), unhex(given.w));
    return { capsule: hex(made.capsule), key: hex(made.key) };
  },
  capsule: (_, given) =>
    void checkCapsule(unhex(given.digest), encode(given.label), unhex(given.capsule)),
  seal: (book, given) => {
    const { key, header, leaves, file } = book.seal(given);
    return {
      chunks: leaves.length,
      commitment: hex(pli1.commitmentOf(header.hash, leaves)),
      first_leaf: hex(leaves[0]),
      header: new TextDecoder().decode(header.encoded),
      header_hash: hex(header.hash),
      key: hex(key),
      last_leaf: hex(leaves.at(-1)),
      root: hex(pli1.root(leaves)),
      sha256: digestOf(file),
      size: file.length,
    };
  },
  frame: (_, given) => pli1.frameOf(given.body),
  commit: (book, given) => {
    const found = committed(book.file(given.file));
    return {
      chunks: found.chunks.length,
      commitment: hex(found.commitment),
      header_hash: hex(found.hash),
      root: hex(pli1.root(found.leaves)),
    };
  },
  head: (_, given) => ({
    header_hash: hex(pli1.checkHead(unhex(given.head), unhex(given.digest)).hash),
  }),
  open: opened,
  "package-make": (_, given) => {
    const contents = given.documents.map((each) => unhex(each.content));
    const pieces = given.documents.map(({ name, salt }, place) => ({
      name,
      salt,
      sha256: digestOf(contents[place]),
      size: contents[place].length,
    }));
    const made = packages.makeManifest(pieces, given.padding);
    const whole = canonical.concat(made.prefix, ...contents);
    const zeros = new Uint8Array(made.size - whole.length);
    return {
      root: hex(made.root),
      sha256: digestOf(canonical.concat(whole, zeros)),
      size: made.size,
    };
  },
  name: (_, given) => void packages.checkName(given.name),
};

await selfTest();
for (const path of process.argv.slice(2)) {
  const document = JSON.parse(readFileSync(path, "utf8"));
  const book = new Book(document);
  for (const { id, op, in: given } of document.vectors) {
    const answer = OPERATIONS[op];
    if (!answer) continue;
    let got = "ok";
    let out = {};
    try {
      out = answer(book, given) ?? {};
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      got = `refuse:${error.code}`;
    }
    console.log(JSON.stringify({ got, id, out }));
  }
}
