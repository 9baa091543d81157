// Keyset, capsule and bidder tag (envelope.md 2.5, 3, 4): to whom an envelope is sealed.
//
// A keyset comes from the platform, so it is believed only as a whole that verifies.
import sodium from "libsodium-wrappers-sumo";

import {
  concat,
  encode,
  hex,
  integer,
  items,
  match,
  members,
  octets,
  Refused,
  utf8,
  word,
} from "./canonical.ts";
import {
  BASE,
  type Bytes,
  checkPoint,
  H,
  interpolate,
  multiply,
  number,
  proveEqual,
  SECOND_BASE,
} from "./group.ts";

export const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ORIGIN = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;

export interface Keyset {
  readonly digest: Bytes;
  readonly cid: Bytes;
  readonly y: Bytes;
  readonly purpose: string;
  readonly organisations: readonly string[];
}

// Checks in the order of envelope.md 2.5: form, point, poly, signature.
export function readKeyset(document: unknown): Keyset {
  const fields = members(document, ["acks", "ceremony", "shares", "v", "y"]);
  integer(fields["v"], 1, 1);
  const ceremony = readCeremony(fields["ceremony"]);
  const { n, k } = ceremony;
  const y = octets(fields["y"], 32);
  const shares = items(fields["shares"], n, n).map((share) => octets(share, 32));
  const acks = items(fields["acks"], n, n).map((ack) => octets(ack, 64));
  for (const point of [y, ...shares]) checkPoint(point);
  const indexed = shares.map((share, place) => [place + 1, share] as const);
  for (const last of indexed.slice(k - 1)) {
    const value = interpolate([...indexed.slice(0, k - 1), last]);
    if (hex(value) !== hex(y)) throw new Refused("poly", String(last[0]));
  }
  const digest = H("pli/v1/keyset", ceremony.cid, number(k, 2), number(n, 2), y, ...shares);
  ceremony.signers.forEach((key, place) => {
    const said = H("pli/v1/keyset-ack", digest, number(place + 1, 2));
    checkSignature(acks[place] ?? new Uint8Array(), said, key);
  });
  return { digest, y, ...ceremony };
}

export function checkSignature(signature: Uint8Array, said: Uint8Array, key: Uint8Array): void {
  if (signature.length !== 64 || !sodium.crypto_sign_verify_detached(signature, said, key)) {
    throw new Refused("signature");
  }
}

function readCeremony(document: unknown) {
  const keys = ["ceremony", "k", "log", "members", "n", "purpose", "v"];
  const fields = members(document, keys);
  integer(fields["v"], 1, 1);
  const n = integer(fields["n"], 2, 16);
  const k = integer(fields["k"], 2, n);
  const people = items(fields["members"], n, n).map((entry, place) => {
    const own = members(entry, ["box", "custodian", "index", "organisation", "sign"]);
    integer(own["index"], place + 1, place + 1);
    match(own["custodian"], IDENTIFIER);
    match(own["organisation"], IDENTIFIER);
    octets(own["box"], 32);
    octets(own["sign"], 32);
    return own;
  });
  for (const what of ["custodian", "sign", "box"]) {
    if (new Set(people.map((own) => own[what])).size !== n) throw new Refused("form", what);
  }
  octets(fields["ceremony"], 16);
  match(fields["log"], ORIGIN);
  const purpose = word(fields["purpose"], ["canary", "consultation"]);
  const organisations = people.map((own) => String(own["organisation"]));
  const signers = people.map((own) => octets(own["sign"], 32));
  return { n, k, purpose, organisations, signers, cid: H("pli/v1/ceremony", encode(fields)) };
}

export function encapsulate(keyset: Keyset, label: Bytes, r: Bytes, w: Bytes) {
  const context = H("pli/v1/label", keyset.digest, label);
  const proof = proveEqual("pli/v1/encaps", context, r, [BASE, SECOND_BASE], w);
  const capsule = concat(multiply(r, BASE), multiply(r, SECOND_BASE), proof);
  const key = H("pli/v1/kem-key", keyset.digest, label, capsule, multiply(r, keyset.y));
  return { capsule, key };
}

export function bidderTag(consultation: string, salt: Uint8Array, operator: string): string {
  return hex(H("pli/v1/bidder", utf8(consultation), salt, utf8(operator)));
}
