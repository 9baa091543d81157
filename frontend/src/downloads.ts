// Which dossiers were downloaded in this browser, so that a depositor in the wrong drawer is warned
// (domain.md §4.6). Downloads are anonymous: only the device that made them remembers them.
export interface Downloaded {
  readonly consultation: string;
  readonly buyer: string;
  readonly version: number;
  readonly reference: string;
}

const PLACE = "pli.dossiers";
// the newest ones: a warning about a dossier of long ago would only be noise
const MOST = 50;

function all(): readonly Downloaded[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? (found as Downloaded[]) : [];
  } catch {
    return [];
  }
}

export function remember(one: Downloaded): void {
  const others = all().filter(({ consultation }) => consultation !== one.consultation);
  try {
    localStorage.setItem(PLACE, JSON.stringify([one, ...others].slice(0, MOST)));
  } catch {
    // a browser that keeps nothing warns of nothing
  }
}

// Each link to a file of a dossier, on the page of its consultation.
export function follow(section: HTMLElement): void {
  const { consultation = "", buyer = "", version = "", reference = "" } = section.dataset;
  for (const link of section.querySelectorAll("a[download]")) {
    link.addEventListener("click", () =>
      remember({ consultation, buyer, version: Number(version), reference }),
    );
  }
}

// What this browser downloaded of a consultation, and where it has nothing of it, of which other one
// of the same buyer it has.
export function seen(
  consultation: string,
  buyer: string,
): { readonly version?: number; readonly sibling?: Downloaded } {
  const known = all();
  const own = known.find((one) => one.consultation === consultation);
  if (own) return { version: own.version };
  const sibling = known.find((one) => one.buyer === buyer);
  return sibling ? { sibling } : {};
}
