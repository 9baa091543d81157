// Judges receipts and kits, one JSON line each, as `receipt.ts` and `kit.ts` do in a browser.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { encode, hex, Refused } from "../../frontend/src/canonical.ts";
import { selfTest } from "../../frontend/src/group.ts";
import { readKit } from "../../frontend/src/kit.ts";
import { checkProof, provenEntry } from "../../frontend/src/receipt.ts";

const digestOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

const JUDGES = {
  receipt: ({ proof, policy }) => {
    const entry = provenEntry(proof, policy);
    return { entry: digestOf(encode(entry)), kind: entry.kind, stream: entry.stream };
  },
  deposit: ({ proof, policy, told, due }) => ({ kind: checkProof(proof, policy, told, due).kind }),
  kit: ({ kit }) => {
    const { keyset, canary, ...told } = readKit(JSON.parse(kit));
    return { ...told, keyset: hex(keyset.digest), canary: hex(canary.digest) };
  },
};

await selfTest();
for (const line of readFileSync(process.argv[2], "utf8").trim().split("\n")) {
  const { id, judge, ...given } = JSON.parse(line);
  let told;
  try {
    told = { got: "accept", out: JUDGES[judge](given) };
  } catch (error) {
    // what is no refusal is a fault of ours
    if (!(error instanceof Refused)) throw error;
    told = { got: "refuse", out: {} };
  }
  console.log(JSON.stringify({ id, ...told }));
}
