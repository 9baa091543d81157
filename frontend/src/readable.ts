// What looks wrong about documents before they are sealed: archives and PDF that the buyer may not be
// able to open, formats, documents of another drawer. Nothing is refused for it: the depositor is told.
export type Finding =
  | "empty"
  | "format"
  | "zip-broken"
  | "zip-password"
  | "pdf-broken"
  | "pdf-password"
  | "drawer-application"
  | "drawer-offer";

// The worst of what was found about readability, in the words of the event (domain.md §4.6).
export function worstOf(found: readonly Finding[]): string {
  if (found.some((one) => one.endsWith("-broken"))) return "UNREADABLE";
  return found.some((one) => one.endsWith("-password")) ? "ENCRYPTED_ARCHIVE" : "OK";
}

const ZIPPED = ["zip", "docx", "xlsx", "pptx", "odt", "ods", "odp"];
const END_OF_ZIP = 0x06054b50;
const MEMBER = 0x02014b50;
const LOCAL = 0x04034b50;
// an end record of 22 bytes, and a comment that may follow it
const TAIL = 22 + 65_535;
const LOOKED_AT = 16 * 1024 * 1024;

async function view(file: Blob, from: number, to: number): Promise<DataView> {
  return new DataView(await file.slice(Math.max(0, from), to).arrayBuffer());
}

// Reads the directory of an archive and sees that its first member is where it says.
async function lookInZip(file: Blob): Promise<Finding | undefined> {
  const tail = await view(file, file.size - TAIL, file.size);
  let end = tail.byteLength - 22;
  while (end >= 0 && tail.getUint32(end, true) !== END_OF_ZIP) end--;
  if (end < 0) return "zip-broken";
  const [count, size] = [tail.getUint16(end + 10, true), tail.getUint32(end + 12, true)];
  const offset = tail.getUint32(end + 16, true);
  // beyond 4 GiB or 65,535 members sizes stand in another record: what is here looks well
  if (offset === 0xffffffff || count === 0xffff) return undefined;
  const directory = await view(file, offset, offset + Math.min(size, LOOKED_AT));
  let at = 0;
  for (let member = 0; member < count && at + 46 <= directory.byteLength; member++) {
    if (directory.getUint32(at, true) !== MEMBER) return "zip-broken";
    if (directory.getUint16(at + 8, true) & 1) return "zip-password";
    const start = directory.getUint32(at + 42, true);
    if (start !== 0xffffffff && (await localOf(file, start)) !== LOCAL) return "zip-broken";
    const lengths = [28, 30, 32].map((place) => directory.getUint16(at + place, true));
    at += 46 + lengths.reduce((sum, length) => sum + length, 0);
    if (member === 255) return undefined;
  }
  return at === 0 && count > 0 ? "zip-broken" : undefined;
}

async function localOf(file: Blob, start: number): Promise<number> {
  const head = await view(file, start, start + 4);
  return head.byteLength === 4 ? head.getUint32(0, true) : 0;
}

async function lookInPdf(file: Blob): Promise<Finding | undefined> {
  const read = async (from: number, to: number): Promise<string> =>
    new TextDecoder("latin1").decode(await view(file, from, to));
  const end = await read(file.size - 2048, file.size);
  if (!(await read(0, 1024)).includes("%PDF-") || !end.includes("%%EOF")) return "pdf-broken";
  return /\/Encrypt\s+\d+\s+\d+\s+R/.test(end) ? "pdf-password" : undefined;
}

const endingOf = (name: string): string => /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";

// Returns what looks wrong about one document; a file that cannot be read is told by whoever seals it.
export async function look(
  name: string,
  file: Blob,
  formats: readonly string[],
): Promise<readonly Finding[]> {
  const ending = endingOf(name);
  const found: (Finding | undefined)[] = [];
  if (file.size === 0) return ["empty"];
  const allowed = formats.map((one) => one.toLowerCase().replace(/^\./, ""));
  if (allowed.length > 0 && !allowed.includes(ending)) found.push("format");
  if (ZIPPED.includes(ending)) found.push(await lookInZip(file));
  if (ending === "pdf") found.push(await lookInPdf(file));
  return found.filter((one) => one !== undefined);
}

// Names by which buyers and bidders call what belongs to an application, and to an offer.
// What may hold an application: a backup copy holds whatever the bid does.
const MIXED: ReadonlySet<string> = new Set(["BOTH", "APPLICATION", "BACKUP"]);
const APPLICATION = /\b(dc ?[124]|dume|espd|candidature|kbis|urssaf|attestations?|habilitations?)\b/;
const OFFER =
  /\b(acte d ?engagement|attri ?1|bpu|dpgf|dqe|bordereau|devis|offre|memoire technique|prix)\b/;

// Warns about a document whose name belongs into the other drawer.
export function drawerOf(name: string, kind: string): Finding | undefined {
  const plain = name
    .normalize("NFD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ");
  if (!MIXED.has(kind) && APPLICATION.test(plain)) {
    return "drawer-application";
  }
  return kind === "APPLICATION" && OFFER.test(plain) ? "drawer-offer" : undefined;
}
