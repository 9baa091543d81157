// Known answers of the start-up self-test (envelope.md 1.5): `group/point-mixed-order-2L`,
// `capsule/refuse-mixed-order-U-valid-equation`, and a good capsule for the same label.
import { unhex } from "./canonical.ts";

export const MIXED_ORDER = unhex(
  "b75d76aa2ed078c396cc832d1487006837c633421a39180fa6195bdc866d83ed",
);
export const LABEL = {
  bidder: "82446b0e473b807f68f8f491684dc20843e5ce1a190b5c863af6c245cfa99e4e",
  consultation: "c-2026-0042",
  deposit: "e64b7747f96005dc2df8a9e179814a3a",
  dossier: "5d3df07160cdb2f42e213d316b4d5bc78cc99cc3d31a8f14fe4659e83c3c8794",
  intent: "INITIAL",
  keyset: "a29ac3cbda2cf70823f8693bbc9063702a3364beba94569699e186506e7ec327",
  kind: "OFFER",
  lots: ["1"],
  not_before: "2026-10-12T10:00:00.000000Z",
  round: 1,
  v: 1,
};
export const GOOD_CAPSULE = unhex(
  "62534c60797c272d9dcca60f73e0af8b007c31914e900e7743c02ae65ca6f6a6" +
    "83f4b41cb16513176c9a499084ff4904b34b9a2b972233b2ea4d412a4abf517b" +
    "d565d47047bb1da9d0f8a03d9d065a6ce5d3bf6837deaf4f7444b384d28c9b0e" +
    "c19932f1a1b03a89080627311c34f0610fa7dcd69fc46e8a890ec36ec5ef4d0b",
);
export const FORGED_CAPSULE = unhex(
  "8bacb39f8683d8d2623359f08c1f5074ff83ce6eb16ff188bc3fd519a3590959" +
    "83f4b41cb16513176c9a499084ff4904b34b9a2b972233b2ea4d412a4abf517b" +
    "fa6efb5a2b36fc4933faa2a09bb7ae922b8f6354d6bfe3c2f75cf762a7816f02" +
    "f72199f9def207e9a9aaccbdffda5e3d8e213e43a0d685220919bfadcfcff00a",
);
