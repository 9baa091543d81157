// What stays on this device between two visits (envelope.md §7.6), in IndexedDB.
//
// K and the leaves are kept until the receipt is verified, then deleted; the list of documents stays
// with its receipt, because nobody else has it, until the depositor erases it.
import type { Fields } from "./canonical.ts";
import type { Bytes } from "./group.ts";
import type { Piece } from "./package.ts";

export interface Kept {
  readonly deposit: string;
  readonly consultation: string;
  // the organisation that bids: another one on the same device sees nothing of it
  readonly bidder: string;
  readonly pieces: readonly Piece[];
  readonly manifest: Bytes;
  // present while the receipt is still to come
  readonly sending?: Sending;
  // present once the receipt was verified
  readonly received?: Fields;
}

export interface Sending {
  readonly head: Bytes;
  readonly key: Bytes;
  readonly leaves: readonly Bytes[];
  readonly commitment: string;
  readonly form: Fields;
  readonly policy: string;
  readonly padding: "none" | "padme";
  readonly attempt: number;
}

const STORE = "deposits";

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open("pli", 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(STORE, { keyPath: "deposit" });
  };
  const database = await settled(opening);
  const transaction = database.transaction(STORE, mode, { durability: "strict" });
  transaction.oncomplete = () => database.close();
  return transaction.objectStore(STORE);
}

export async function keep(kept: Kept): Promise<void> {
  await settled((await store("readwrite")).put(kept));
}

export async function forget(deposit: string): Promise<void> {
  await settled((await store("readwrite")).delete(deposit));
}

export async function keptOf(consultation: string, bidder: string): Promise<readonly Kept[]> {
  const all: Kept[] = await settled((await store("readonly")).getAll());
  return all.filter((one) => one.consultation === consultation && one.bidder === bidder);
}
