// Seals one Blob as the browser does and says how fast: document hash, plan pass, send pass, and the
// same cipher alone over one buffer of the module's own memory. Runs in Node and, bundled, in a worker
// of Chromium.
import sodium from "../frontend/node_modules/libsodium-wrappers-sumo/dist/modules-sumo-esm/libsodium-wrappers.mjs";
import { release } from "../frontend/src/canonical.ts";
import { randomScalar, selfTest } from "../frontend/src/group.ts";
import { readKeyset } from "../frontend/src/keyset.ts";
import { makeManifest } from "../frontend/src/package.ts";
import { CHUNK, Cipher, makeHeader } from "../frontend/src/pli1.ts";
import { digestOf, plan, Plaintext, selfCheck, sent } from "../frontend/src/sealing.ts";

const nothing = () => undefined;

async function timed(bytes, act) {
  const start = performance.now();
  const value = await act();
  return [value, bytes / 1e3 / (performance.now() - start)];
}

export async function measure(file, keyset, label) {
  await selfTest();
  const [sha256, hashing] = await timed(file.size, () => digestOf(file, nothing));
  const piece = { name: "offre.bin", salt: "00".repeat(16), sha256, size: file.size };
  const manifest = makeManifest([piece], "padme");
  const draw = { r: randomScalar(), w: randomScalar(), nonce: sodium.randombytes_buf(16) };
  const documents = { count: 1, root: manifest.root };
  const { key, header } = makeHeader(readKeyset(keyset), label, draw, documents);
  const cipher = new Cipher(key, header);
  const plaintext = new Plaintext(manifest, [file]);
  const { size, chunks } = plaintext;
  const [leaves, planning] = await timed(size, () => plan(cipher, plaintext, nothing));
  await selfCheck(cipher, plaintext);
  const every = Array.from({ length: chunks }, (_, at) => at);
  const [, sending] = await timed(size, async () => {
    for await (const chunk of sent(cipher, plaintext, leaves, every)) release(chunk.body);
  });
  const module = sodium.libsodium;
  const [buffer, small] = [CHUNK + 16, 96].map((length) => module._malloc(length));
  const [, raw] = await timed(chunks * CHUNK, () => {
    for (let at = 0; at < chunks; at++) {
      module._crypto_aead_xchacha20poly1305_ietf_encrypt(
        ...[buffer, 0, buffer, CHUNK, 0, small, 32, 0, 0, small + 32, small + 64],
      );
    }
  });
  return { size, hashing, planning, sending, raw };
}

if (globalThis.process?.argv?.[1]?.endsWith("sealing_speed.mjs")) {
  const { openAsBlob, readFileSync } = await import("node:fs");
  const [, , path, vectors] = process.argv;
  const { keysets, vectors: known } = JSON.parse(readFileSync(vectors, "utf8"));
  const { keyset, label } = known.find(({ op }) => op === "seal").in;
  // the kernel's peak of this program: that of `resourceUsage` begins with what started it, after exec
  const peakMiB = () => Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
  const told = await measure(await openAsBlob(path), keysets[keyset], label);
  console.log(JSON.stringify({ ...told, rss_mib: peakMiB() }));
}
