// Hashes, the group and its proofs (envelope.md 1.3-1.7), all of them by libsodium.
//
// A point from outside is checked before any use. `selfTest` refuses a library that lets points of
// order 2L pass (CVE-2025-69277); nothing is sealed before it has returned.
import sodium from "libsodium-wrappers-sumo";

import { concat, encode, equal, hex, Refused, unhex, utf8 } from "./canonical.ts";
import { GOOD_CAPSULE, FORGED_CAPSULE, LABEL, MIXED_ORDER } from "./known.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const FIELD = 2n ** 255n - 19n;
export const BASE = unhex(`58${"66".repeat(31)}`);
export const SECOND_BASE = unhex(
  "15e87b85363ba14fffa9e2e6587744fd4d276457602db2d9d7333f56be3b89e8",
);
const IDENTITY = unhex(`01${"00".repeat(31)}`);

export function number(value: bigint | number, size: number): Bytes {
  return unhex(BigInt(value).toString(16).padStart(2 * size, "0"));
}

function digest(size: number, tag: string, parts: readonly Uint8Array[]): Bytes {
  const prefixed = [utf8(tag), ...parts].flatMap((part) => [
    number(part.length, 8).reverse(),
    part,
  ]);
  return own(sodium.crypto_generichash(size, concat(...prefixed), null));
}

// The letters of the specification: one meaning per tag, no ambiguous joining.
export const H = (tag: string, ...parts: Uint8Array[]): Bytes => digest(32, tag, parts);
export const H64 = (tag: string, ...parts: Uint8Array[]): Bytes => digest(64, tag, parts);
export const HS = (tag: string, ...parts: Uint8Array[]): Bytes => reduce(H64(tag, ...parts));
export const sha256 = (bytes: Uint8Array): Bytes => own(sodium.crypto_hash_sha256(bytes));

const own = (bytes: Uint8Array): Bytes => bytes as Bytes;
const little = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes.slice().reverse())}`);

export function reduce(uniform: Uint8Array): Bytes {
  return own(sodium.crypto_core_ed25519_scalar_reduce(uniform));
}

export function checkPoint(point: Uint8Array): void {
  const canonical = point.length === 32 && (little(point) & ((1n << 255n) - 1n)) < FIELD;
  if (!canonical || !sodium.crypto_core_ed25519_is_valid_point(point)) throw new Refused("point");
}

export function checkScalar(scalar: Uint8Array): void {
  if (scalar.length !== 32 || little(scalar) >= ORDER) throw new Refused("scalar");
}

function checkNonzero(scalar: Uint8Array): void {
  checkScalar(scalar);
  if (little(scalar) === 0n) throw new Refused("scalar");
}

// 64 bytes of the system's generator, reduced, not zero.
export function randomScalar(): Bytes {
  const scalar = reduce(sodium.randombytes_buf(64));
  checkNonzero(scalar);
  return scalar;
}

export function multiply(scalar: Uint8Array, point: Uint8Array): Bytes {
  if (little(scalar) === 0n || equal(point, IDENTITY)) return IDENTITY;
  if (equal(point, BASE)) return own(sodium.crypto_scalarmult_ed25519_base_noclamp(scalar));
  return own(sodium.crypto_scalarmult_ed25519_noclamp(scalar, point));
}

// The value at zero of the polynomial in the exponent through these points; indices are public.
export function interpolate(points: readonly (readonly [number, Uint8Array])[]): Bytes {
  let sum = IDENTITY;
  for (const [index, point] of points) {
    let over = 1n;
    let under = 1n;
    for (const [other] of points) {
      if (other === index) continue;
      over = (over * BigInt(other)) % ORDER;
      under = (under * (BigInt(other - index) + ORDER)) % ORDER;
    }
    const inverse = sodium.crypto_core_ed25519_scalar_invert(number(under, 32).reverse());
    const weight = sodium.crypto_core_ed25519_scalar_mul(number(over, 32).reverse(), inverse);
    sum = own(sodium.crypto_core_ed25519_add(sum, multiply(weight, point)));
  }
  return sum;
}

type Pair = readonly [Uint8Array, Uint8Array];

// Proves that secret * P and secret * Q have the same logarithm; w serves this proof and no other.
export function proveEqual(
  tag: string,
  context: Uint8Array,
  secret: Uint8Array,
  [p, q]: Pair,
  w: Uint8Array,
): Bytes {
  checkNonzero(secret);
  checkNonzero(w);
  const shown = [context, p, multiply(secret, p), q, multiply(secret, q)];
  const e = HS(tag, ...shown, multiply(w, p), multiply(w, q));
  const product = sodium.crypto_core_ed25519_scalar_mul(e, secret);
  return concat(e, sodium.crypto_core_ed25519_scalar_add(w, product));
}

export function checkEqual(
  tag: string,
  context: Uint8Array,
  first: Pair,
  second: Pair,
  proof: Uint8Array,
): void {
  const e = proof.slice(0, 32);
  const f = proof.slice(32);
  checkNonzero(e);
  checkNonzero(f);
  for (const point of [...first, ...second]) checkPoint(point);
  const rest = ([base, image]: Pair): Bytes =>
    own(sodium.crypto_core_ed25519_sub(multiply(f, base), multiply(e, image)));
  const again = HS(tag, context, ...first, ...second, rest(first), rest(second));
  if (!equal(again, e)) throw new Refused("proof");
}

// Anyone can check what a capsule was made for (envelope.md §4).
export function checkCapsule(keyset: Uint8Array, label: Uint8Array, capsule: Uint8Array): void {
  if (capsule.length !== 128) throw new Refused("capsule");
  const context = H("pli/v1/label", keyset, label);
  const [u, v] = [capsule.slice(0, 32), capsule.slice(32, 64)];
  try {
    checkEqual("pli/v1/encaps", context, [BASE, u], [SECOND_BASE, v], capsule.slice(64));
  } catch (error) {
    throw error instanceof Refused ? new Refused("capsule", error.code) : error;
  }
}

function refuses(act: () => void): boolean {
  try {
    act();
  } catch (error) {
    return error instanceof Refused;
  }
  return false;
}

export interface Library {
  readonly checkPoint: typeof checkPoint;
  readonly checkCapsule: typeof checkCapsule;
}

// Throws `self-test` unless the library may be used; the first thing that a worker does.
export async function selfTest(tested: Library = { checkPoint, checkCapsule }): Promise<void> {
  await sodium.ready;
  const keyset = unhex(String(LABEL.keyset));
  const label = encode(LABEL);
  const seed = H("pli/v1/gbar", utf8("second generator"));
  const sound =
    refuses(() => tested.checkPoint(MIXED_ORDER)) &&
    equal(sodium.crypto_core_ed25519_from_uniform(seed), SECOND_BASE) &&
    refuses(() => tested.checkCapsule(keyset, label, FORGED_CAPSULE)) &&
    !refuses(() => tested.checkCapsule(keyset, label, GOOD_CAPSULE));
  if (!sound) throw new Refused("self-test");
}
