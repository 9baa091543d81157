// The worker that seals and sends: the page only asks, shows and is told. Nothing is sealed before the
// self-test of the library has passed.
//
// Files, names and K never leave this device: what goes out is the head, ciphertext and their hashes.
import { type Fields, hex, Refused } from "./canonical.ts";
import { selfTest } from "./group.ts";
import { forget, keep, type Kept, keptOf, type Sending } from "./kept.ts";
import { type Kit, readKit } from "./kit.ts";
import { announce, deliver, Ended, giveUp, Line, missingOf, Problem } from "./line.ts";
import { makeManifest } from "./package.ts";
import { Cipher, readHeader, root } from "./pli1.ts";
import { checkProof } from "./receipt.ts";
import * as sealing from "./sealing.ts";

export interface Place {
  readonly consultation: string;
  readonly kit: string;
  readonly csrf: string;
  readonly client: string;
}

export type Asked =
  | { readonly act: "look"; readonly place: Place }
  | {
      readonly act: "start";
      readonly wish: sealing.Wish;
      readonly documents: sealing.Document[];
      readonly warned: sealing.Warned;
    }
  | { readonly act: "resume"; readonly deposit: string; readonly documents: sealing.Document[] }
  | { readonly act: "forget"; readonly deposit: string };

export type Phase = "reading" | "sealing" | "checking" | "announcing" | "sending" | "proving";

export type Answer =
  | { readonly told: "found"; readonly kept: readonly Kept[]; readonly others: readonly Fields[] }
  | { readonly told: "phase"; readonly phase: Phase; readonly done: number; readonly whole: number }
  | { readonly told: "waiting"; readonly waits: boolean }
  | { readonly told: "received"; readonly kept: Kept }
  | { readonly told: "ended"; readonly state: Fields }
  | { readonly told: "refused"; readonly code: string; readonly about: string };

const TERMS = "1";
let place: Place;
let kit: Kit;

const tell = (answer: Answer): void => postMessage(answer);
const phase = (now: Phase) => (done: number, whole: number) =>
  tell({ told: "phase", phase: now, done, whole });

function line(): Line {
  return new Line(place.csrf, (waits) => tell({ told: "waiting", waits }));
}

async function look(asked: Place): Promise<void> {
  place = asked;
  await selfTest();
  kit = readKit(await line().call("GET", place.kit));
  const listed = await line().call("GET", "/api/v1/deposits?limit=100");
  const others = (listed["deposits"] as readonly Fields[]).filter(
    (one) => one["consultation"] === kit.consultation && one["state"] === "SEALED",
  );
  tell({ told: "found", kept: await keptOf(kit.consultation, kit.bidder), others });
}

function checkSizes(documents: readonly sealing.Document[]): void {
  const names = new Set(documents.map(({ name }) => name));
  if (documents.length === 0) throw new Refused("nothing");
  if (names.size !== documents.length) throw new Refused("twice");
  if (documents.length > kit.maxFiles) throw new Refused("max_files", String(kit.maxFiles));
  const large = documents.find(({ file }) => file.size > kit.maxFile);
  if (large) throw new Refused("max_file", large.name);
}

async function start(
  wish: sealing.Wish,
  documents: readonly sealing.Document[],
  warned: sealing.Warned,
): Promise<void> {
  checkSizes(documents);
  const pieces = await sealing.describe(documents, phase("reading"));
  const { header, key, manifest, bytes } = sealing.seal(kit, wish, pieces);
  if (bytes > kit.maxTotal) throw new Refused("max_total", String(kit.maxTotal));
  const label = header.fields["label"] as Fields;
  const plaintext = new sealing.Plaintext(manifest, documents.map(({ file }) => file));
  const cipher = new Cipher(key, header);
  const leaves = await sealing.plan(cipher, plaintext, phase("sealing"));
  phase("checking")(0, 1);
  await sealing.selfCheck(cipher, plaintext);
  const form: Fields = {
    ...warned,
    bytes,
    client: place.client,
    consultation: kit.consultation,
    documents: pieces.length,
    intent: wish.intent,
    kind: wish.rehearsal ? "OFFER" : wish.kind,
    lots: label["lots"] ?? [],
    purpose: wish.rehearsal ? "REHEARSAL" : "REAL",
    round: 1,
    terms: TERMS,
    ...(wish.target === undefined ? {} : { target: wish.target }),
  };
  const commitment = sealing.announced(header, leaves);
  const sending: Sending = {
    ...{ head: header.head, key, leaves, commitment, form },
    ...{ policy: kit.policy, padding: kit.padding, attempt: 1 },
  };
  const kept: Kept = {
    ...{ deposit: String(label["deposit"]), consultation: kit.consultation, bidder: kit.bidder },
    ...{ pieces, manifest: manifest.encoded, sending },
  };
  await keep(kept);
  await send(kept, sending, plaintext);
}

async function resume(deposit: string, documents: readonly sealing.Document[]): Promise<void> {
  const found = await keptOf(kit.consultation, kit.bidder);
  const kept = found.find((one) => one.deposit === deposit);
  if (!kept?.sending) throw new Refused("changed");
  const manifest = makeManifest(kept.pieces, kept.sending.padding);
  const files = kept.pieces.map(({ name, size }) => {
    const again = documents.find((one) => one.name === name && one.file.size === size);
    return again?.file;
  });
  const known = files.filter((file) => file !== undefined);
  const whole = known.length === files.length ? known : undefined;
  await send(kept, kept.sending, whole && new sealing.Plaintext(manifest, whole));
}

// Without the documents only what needs no byte more is done: everything may have arrived already.
async function send(kept: Kept, sending: Sending, plaintext?: sealing.Plaintext): Promise<void> {
  const header = readHeader(sending.head.slice(8));
  const open = line();
  phase("announcing")(0, 1);
  let state = await announce(open, { deposit: kept.deposit, ...sending });
  const missing = missingOf(state);
  if (state["state"] !== "COMPLETED") {
    if (missing.length > 0 && !plaintext) throw new Refused("documents");
    const chunks = plaintext
      ? sealing.sent(new Cipher(sending.key, header), plaintext, sending.leaves, missing)
      : none();
    const whole = Number(sending.form["bytes"]);
    let held = whole - (plaintext?.bytesOf(missing) ?? 0);
    phase("sending")(held, whole);
    state = await deliver(open, String(state["transmission"]), chunks, (bytes) => {
      phase("sending")((held += bytes), whole);
    });
  }
  phase("proving")(0, 1);
  await prove(kept, sending, state);
}

async function* none(): AsyncGenerator<never> {}

// A receipt proves the deposit, or the backup copy, which has a stream of its own; a rehearsal makes
// none, so its proof is that its session was completed.
async function prove(kept: Kept, sending: Sending, state: Fields): Promise<void> {
  const header = readHeader(sending.head.slice(8));
  const label = header.fields["label"] as Fields;
  const rehearsal = label["kind"] === "REHEARSAL";
  const backup = label["kind"] === "BACKUP";
  const proof = rehearsal ? state["attestation"] : state["receipt"];
  if (typeof proof !== "string") throw new Refused("receipt", String(state["state"]));
  const bytes_total = sending.form["bytes"] ?? 0;
  const sealed = {
    bidder: label["bidder"] ?? "",
    commitment: sending.commitment,
    consultation: kept.consultation,
    header_hash: hex(header.hash),
    lots: label["lots"] ?? [],
  };
  const [told, due]: [string[], Fields] = rehearsal
    ? [
        [`TransmissionCompleted transmission/${String(state["transmission"])}`],
        { bytes_total, ciphertext_root: hex(root(sending.leaves)) },
      ]
    : backup
      ? [[`BackupCopyReceived backup/${kept.deposit}`], { ...sealed, medium: "ELECTRONIC" }]
      : [
          ["DepositSealed", "LateDepositRecorded"].map((one) => `${one} deposit/${kept.deposit}`),
          {
            ...sealed,
            bytes_total,
            documents_count: header.fields["documents_count"] ?? 0,
            documents_root: header.fields["documents_root"] ?? "",
          },
        ];
  const { kind, data } = checkProof(proof, sending.policy, told, due);
  // a backup copy says when it came, not by which deadline: there the platform is believed
  const on_time = backup ? state["on_time"] === true : kind !== "LateDepositRecorded";
  // what is proven outranks what was said beside it
  const received = {
    ...state,
    ...{ proof, rehearsal, backup, on_time },
    ...{ received_at: data["received_at"] ?? "", uncertainty_ms: data["uncertainty_ms"] ?? 0 },
    ...{ keyset: label["keyset"] ?? "", lots: label["lots"] ?? [] },
    ...{ commitment: sending.commitment, level: kit.level },
  };
  const { sending: _, ...rest } = kept;
  const done: Kept = { ...rest, received };
  // K and the leaves go here: the record without them takes the place of the one with them
  await keep(done);
  tell({ told: "received", kept: done });
}

async function act(asked: Asked): Promise<void> {
  if (asked.act === "look") await look(asked.place);
  else if (asked.act === "start") await start(asked.wish, asked.documents, asked.warned);
  else if (asked.act === "resume") await resume(asked.deposit, asked.documents);
  else await leave(asked.deposit);
}

// Erases a deposit from this device; one that was not finished ends as an event first.
async function leave(deposit: string): Promise<void> {
  const kept = (await keptOf(kit.consultation, kit.bidder)).find((one) => one.deposit === deposit);
  if (kept?.sending) {
    const state = await giveUp(line(), { deposit, ...kept.sending });
    if (state["state"] === "COMPLETED") return await prove(kept, kept.sending, state);
    tell({ told: "ended", state });
  }
  await forget(deposit);
}

function refusal(error: unknown): Answer {
  if (error instanceof Ended) return { told: "ended", state: error.state };
  const about = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused) return { told: "refused", code: error.code, about };
  if (error instanceof Problem) {
    return { told: "refused", code: error.status === 401 ? "login" : error.code, about };
  }
  // a document that was changed, moved or withdrawn since it was chosen cannot be read any more
  const lost = error instanceof DOMException && /^Not(Readable|Found)Error$/.test(error.name);
  return { told: "refused", code: lost ? "unreadable" : "failed", about };
}

addEventListener("message", (event: MessageEvent<Asked>) => {
  act(event.data).catch((error: unknown) => tell(refusal(error)));
});
