// The kit, checked before anything is sealed to it (docs/spec/kit.md): nothing in it is believed that
// can be checked. Keysets verify as wholes, the tag of the bidder is recomputed, the publication is
// proven under the log's key where the ledger has published it.
import {
  type Fields,
  hex,
  instant,
  integer,
  items,
  type Json,
  match,
  octets,
  Refused,
  word,
} from "./canonical.ts";
import { bidderTag, IDENTIFIER, type Keyset, readKeyset } from "./keyset.ts";
import { LOT } from "./pli1.ts";
import { provenEntry } from "./receipt.ts";

export interface Kit {
  readonly consultation: string;
  readonly bidder: string;
  readonly dossier: string;
  readonly notBefore: string;
  readonly lots: readonly string[];
  readonly keyset: Keyset;
  readonly canary: Keyset;
  readonly padding: "none" | "padme";
  readonly maxFile: number;
  readonly maxFiles: number;
  readonly maxTotal: number;
  readonly policy: string;
  readonly level: string;
}

const LOTS_MOST = 10_000;

const object = (value: Json | undefined): Fields =>
  typeof value === "object" && !Array.isArray(value) ? (value as Fields) : refuse("an object");

function refuse(about: string): never {
  throw new Refused("kit", about);
}

export function readKit(raw: Fields): Kit {
  try {
    return read(raw);
  } catch (error) {
    if (error instanceof Refused) throw new Refused("kit", error.message);
    throw error;
  }
}

function read(raw: Fields): Kit {
  integer(raw["v"], 1, 1);
  const consultation = match(raw["consultation"], IDENTIFIER);
  const [limits, ledger, bidder] = [raw["limits"], raw["ledger"], raw["bidder"]].map(object);
  const keyset = keysetFor(raw["keyset"], "consultation");
  const tag = bidderTag(consultation, octets(bidder?.["salt"], 16), String(bidder?.["operator"]));
  if (tag !== bidder?.["tag"]) refuse("the tag of the bidder");
  const policy = match(ledger?.["policy_log"], /./);
  if (ledger?.["publication"] !== undefined) {
    const entry = provenEntry(String(ledger["publication"]), policy);
    const told = [entry["stream"], entry["kind"], object(entry["data"])["key_fingerprint"]].join();
    const due = `consultation/${consultation},ConsultationPublished,${hex(keyset.digest)}`;
    if (told !== due) refuse("the proof of the publication");
  }
  const limit = (name: string): number => integer(limits?.[name], 1, Number.MAX_SAFE_INTEGER);
  return {
    consultation,
    bidder: tag,
    dossier: hex(octets(raw["dossier_root"], 32)),
    notBefore: instant(raw["not_before"]),
    lots: items(raw["lots"], 0, LOTS_MOST).map((lot) => match(lot, LOT)),
    keyset,
    canary: keysetFor(raw["canary"], "canary"),
    padding: word(limits?.["padding"], ["NONE", "PADME"]) === "NONE" ? "none" : "padme",
    maxFile: limit("max_file"),
    maxFiles: limit("max_files"),
    maxTotal: limit("max_total"),
    policy,
    level: word(raw["level"], ["A0", "A1"]),
  };
}

function keysetFor(document: Json | undefined, purpose: string): Keyset {
  const keyset = readKeyset(document);
  return keyset.purpose === purpose ? keyset : refuse(`a keyset for ${keyset.purpose}`);
}
