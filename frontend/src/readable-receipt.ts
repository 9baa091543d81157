// The readable receipt (domain.md §7), made on the depositor's device: mentions 1 to 4 come with the
// platform's answer, the fifth is the list of documents, which nobody else has. Printed by the browser.
import qrcode from "qrcode-generator";

import type { Fields, Json } from "./canonical.ts";
import type { Kept } from "./kept.ts";
import { moment, size } from "./spoken.ts";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4;

export function drawn(text: string): SVGSVGElement {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  const dark: string[] = [];
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) dark.push(`M${column + QUIET} ${row + QUIET}h1v1h-1z`);
    }
  }
  const image = document.createElementNS(SVG, "svg");
  const whole = count + 2 * QUIET;
  image.setAttribute("viewBox", `0 0 ${whole} ${whole}`);
  image.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", dark.join(""));
  image.append(path);
  return image;
}

const object = (value: Json | undefined): Fields =>
  typeof value === "object" && !Array.isArray(value) ? (value as Fields) : {};

function named(value: Json | undefined): string {
  const { name, siret } = object(value);
  return [name, siret].filter((part) => part !== undefined).join(" ");
}

// What each place of the receipt says.
function facts(kept: Kept, received: Fields, language: string): Readonly<Record<string, string>> {
  const mentions = object(received["mentions"]);
  const title = object(mentions["consultation"])["title"];
  const at = String(received["received_at"]);
  return {
    depositor: named(mentions["depositor"]),
    buyer: named(mentions["buyer"]),
    object: [title, mentions["object"], kept.consultation].filter(Boolean).join(" – "),
    lots: (received["lots"] as readonly string[]).filter((lot) => lot !== "0").join(", ") || "–",
    hour: `${moment(at, language)} (Europe/Paris)`,
    instant: `${at} ± ${String(received["uncertainty_ms"])} ms`,
    deposit: kept.deposit,
    commitment: String(received["commitment"]),
    keyset: String(received["keyset"]),
    level: String(received["level"]),
  };
}

function offered(link: HTMLAnchorElement | null, name: string, content: BlobPart, type: string) {
  if (!link) return;
  link.download = name;
  link.href = URL.createObjectURL(new Blob([content], { type }));
}

export function show(place: HTMLElement, kept: Kept): void {
  const { received } = kept;
  if (!received) return;
  const language = document.documentElement.lang;
  for (const [fact, text] of Object.entries(facts(kept, received, language))) {
    const element = place.querySelector(`[data-fact=${fact}]`);
    if (element) element.textContent = text;
  }
  for (const element of place.querySelectorAll<HTMLElement>("[data-when]")) {
    const late = received["on_time"] !== true;
    const rehearsal = received["rehearsal"] === true;
    const backup = received["backup"] === true;
    const level = received["level"];
    const cases = { late, rehearsal, backup, A0: level === "A0", A1: level === "A1" };
    element.hidden = !cases[element.dataset["when"] as keyof typeof cases];
  }
  place.querySelector("tbody")?.replaceChildren(
    ...kept.pieces.map((piece) => {
      const row = document.createElement("tr");
      for (const [text, style] of [
        [piece.name, ""],
        [size(piece.size, language), "number"],
        [piece.sha256, "hash"],
      ] as const) {
        const cell = document.createElement("td");
        cell.className = style;
        cell.textContent = text;
        row.append(cell);
      }
      return row;
    }),
  );
  // behind the sign # nothing is ever sent to a server
  const code = `${location.origin}/receipt#${kept.deposit}.${String(received["commitment"])}`;
  place.querySelector("[data-code]")?.replaceChildren(drawn(code));
  const link = (name: string) => place.querySelector<HTMLAnchorElement>(`a[data-file=${name}]`);
  const proof = String(received["proof"]);
  offered(link("receipt"), `${kept.deposit}.tlog-proof`, proof, "text/plain");
  offered(link("pieces"), `${kept.deposit}.pieces.json`, kept.manifest, "application/json");
  place.hidden = false;
}
