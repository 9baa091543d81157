// The deposit page: lots, kind and documents are chosen here, a worker seals and sends, and the page
// says what it does. All of it by keyboard; one live region says each step and each tenth.
import { words as left } from "./countdown.ts";
import { seen } from "./downloads.ts";
import type { Kept } from "./kept.ts";
import { show } from "./readable-receipt.ts";
import { drawerOf, type Finding, look, worstOf } from "./readable.ts";
import type { Answer, Asked, Phase } from "./seal-worker.ts";
import type { Document, Warned, Wish } from "./sealing.ts";
import { moment, size, span, texts } from "./spoken.ts";

const say = texts();
const language = document.documentElement.lang;
const WINDOW_MS = 10_000;

function part<T extends HTMLElement = HTMLElement>(name: string): T {
  const found = document.querySelector<T>(`[data-part="${name}"]`);
  if (!found) throw new Error(`the page has no part ${name}`);
  return found;
}

function made<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = "",
  ...inside: readonly Node[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.textContent = text;
  element.append(...inside);
  return element;
}

function button(text: string, label: string, act: () => void): HTMLButtonElement {
  const element = made("button", text);
  element.type = "button";
  element.className = "outline";
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

// Progress of one sending: a bar for the eye, a sentence now and then for the ear.
class Progress {
  private marks: (readonly [number, number])[] = [];
  private spoken = "";
  private readonly bar = part<HTMLProgressElement>("bar");

  show(phase: Phase, done: number, whole: number): void {
    part("progress").hidden = false;
    this.bar.value = whole > 0 ? done / whole : 0;
    const tenth = phase === "sending" ? Math.floor((10 * done) / whole) * 10 : 0;
    this.speak(say(phase, { percent: String(tenth) }));
    if (phase !== "sending") {
      this.marks = [];
      this.figures("–", "–");
      return;
    }
    const now = performance.now();
    this.marks = [...this.marks.filter(([at]) => now - at < WINDOW_MS), [now, done]];
    const [[from, before] = [now, done]] = this.marks;
    const speed = now > from ? (1000 * (done - before)) / (now - from) : 0;
    const rest = speed > 0 ? span((whole - done) / speed, language) : "–";
    this.figures(`${size(done, language)} / ${size(whole, language)}`, rest);
    part("speed").textContent = speed > 0 ? say("speed", { size: size(speed, language) }) : "–";
  }

  speak(text: string): void {
    if (text === this.spoken) return;
    this.spoken = text;
    part("phase").textContent = text;
  }

  private figures(held: string, rest: string): void {
    part("held").textContent = held;
    part("rest").textContent = rest;
  }
}

class Page {
  private readonly form = part<HTMLFormElement>("deposit");
  private readonly progress = new Progress();
  private documents: Document[] = [];
  private readonly found = new Map<string, readonly Finding[]>();
  private resuming: Kept | undefined;
  private downloads: ReturnType<typeof seen> = {};

  private readonly worker: Worker;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => this.hear(data));
    worker.addEventListener("error", () => this.refuse("failed", ""));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
    this.form.addEventListener("change", () => {
      part("alert").hidden = true;
      this.arrange();
    });
    for (const input of this.form.querySelectorAll<HTMLInputElement>("input[type=file]")) {
      input.addEventListener("change", () => void this.add(input));
    }
    part("print").addEventListener("click", () => print());
    part("again").addEventListener("click", () => location.reload());
    this.arrange();
  }

  private ask(asked: Asked): void {
    this.worker.postMessage(asked);
  }

  look(data: DOMStringMap): void {
    const { consultation = "", kit = "", csrf = "", client = "", buyer = "" } = data;
    this.downloads = seen(consultation, buyer);
    const { sibling } = this.downloads;
    part("sibling").hidden = sibling === undefined;
    if (sibling) {
      part("sibling").textContent = say("sibling", { reference: sibling.reference });
    }
    this.ask({ act: "look", place: { consultation, kit, csrf, client } });
  }

  private hear(answer: Answer): void {
    if (answer.told === "found") this.list(answer.kept, answer.others);
    else if (answer.told === "phase") this.progress.show(answer.phase, answer.done, answer.whole);
    else if (answer.told === "waiting") this.wait(answer.waits);
    else if (answer.told === "received") this.receive(answer.kept, true);
    else if (answer.told === "ended") this.end(String(answer.state["attestation"] ?? ""));
    else this.refuse(answer.code, answer.about);
  }

  private wait(waits: boolean): void {
    part("waiting").hidden = !waits;
  }

  private list(kept: readonly Kept[], others: readonly Readonly<Record<string, unknown>>[]): void {
    part("begin").removeAttribute("disabled");
    const intent = this.form.elements.namedItem("intent") as HTMLSelectElement;
    for (const { deposit } of others) {
      for (const word of ["REPLACE", "COMPLEMENT"]) {
        const text = say(word, { deposit: String(deposit).slice(0, 8) });
        if (text) intent.append(new Option(text, `${word} ${String(deposit)}`));
      }
    }
    const rows = kept.map((one) => {
      const [verb, act] = one.received
        ? [say("show"), () => this.receive(one, false)]
        : [say("resume"), () => this.choose(one)];
      const [first, more] = [one.pieces[0]?.name ?? "", one.pieces.length - 1];
      const title = more > 0 ? `${first} + ${more}` : first;
      const when = one.received ? moment(String(one.received["received_at"]), language) : say("unfinished");
      const erase = () => {
        row.remove();
        this.ask({ act: "forget", deposit: one.deposit });
      };
      const row: HTMLLIElement = made(
        "li",
        `${title} – ${when} `,
        button(verb, `${verb} : ${title}`, act),
        button(say("erase"), `${say("erase")} : ${title}`, erase),
      );
      return row;
    });
    part("kept-list").replaceChildren(...rows);
    part("kept").hidden = rows.length === 0;
  }

  // Documents must be chosen again after a reload: a page may not keep a way into somebody's files.
  private choose(kept: Kept): void {
    this.resuming = kept;
    part("wished").hidden = true;
    part("begin").textContent = say("resume");
    this.tell(say("choose", { names: kept.pieces.map(({ name }) => name).join(", ") }), "status");
    this.form.querySelector<HTMLInputElement>("input[type=file]")?.focus();
  }

  private async add(input: HTMLInputElement): Promise<void> {
    const formats = (this.form.dataset["formats"] ?? "").split(",").filter(Boolean);
    const files = [...(input.files ?? [])];
    input.value = "";
    for (const file of files) {
      const name = (file.webkitRelativePath || file.name).normalize("NFC");
      this.documents = [...this.documents.filter((one) => one.name !== name), { name, file }];
      this.found.set(name, await look(name, file, formats).catch(() => []));
    }
    this.arrange();
  }

  private wish(): Wish {
    const data = new FormData(this.form);
    const copy = data.get("purpose") === "BACKUP";
    // a backup copy replaces and complements nothing
    const [intent = "INITIAL", target] = copy ? [] : String(data.get("intent")).split(" ");
    return {
      kind: copy ? "BACKUP" : String(data.get("kind")),
      lots: data.getAll("lot").map(String),
      intent,
      rehearsal: data.get("purpose") === "REHEARSAL",
      ...(target ? { target } : {}),
    };
  }

  // Every warning stands on the page when the button is pressed: whoever sends has seen it.
  private warned(): Warned {
    const { version, sibling } = this.downloads;
    const found = this.documents.flatMap(({ name }) => this.found.get(name) ?? []);
    return {
      ...(version === undefined ? {} : { dossier_version_seen: version }),
      ...(sibling ? { sibling_downloaded: sibling.consultation, drawer_acknowledged: true } : {}),
      readability: worstOf(found),
      readability_acknowledged: worstOf(found) !== "OK",
    };
  }

  // Only an application may be for several lots; a document of another drawer is pointed out.
  private arrange(): void {
    const { kind } = this.wish();
    for (const input of this.form.querySelectorAll<HTMLInputElement>("input[name=lot]")) {
      input.type = kind === "APPLICATION" ? "checkbox" : "radio";
    }
    const rows = this.documents.map(({ name, file }) => {
      const drawer = drawerOf(name, kind);
      const told = [...(this.found.get(name) ?? []), ...(drawer ? [drawer] : [])];
      const notes = told.map((finding) => {
        const note = made("p", say(finding));
        note.className = "note";
        return note;
      });
      const remove = button(say("remove"), `${say("remove")} : ${name}`, () => {
        this.documents = this.documents.filter((one) => one.name !== name);
        this.arrange();
        part("documents").focus();
      });
      return made("li", `${name} – ${size(file.size, language)} `, remove, ...notes);
    });
    part("documents").replaceChildren(...rows);
    const whole = this.documents.reduce((sum, { file }) => sum + file.size, 0);
    const count = String(this.documents.length);
    part("sum").textContent = say("sum", { count, size: size(whole, language) });
  }

  private begin(): void {
    part("alert").hidden = true;
    const documents = this.documents;
    const wish = this.wish();
    if (!this.resuming && wish.lots.length === 0) return this.refuse("lots", "");
    if (!this.resuming && documents.length === 0) return this.refuse("nothing", "");
    this.form.hidden = true;
    part("kept").hidden = true;
    part("progress").hidden = false;
    part("progress-title").focus();
    if (this.resuming) this.ask({ act: "resume", deposit: this.resuming.deposit, documents });
    else this.ask({ act: "start", wish, documents, warned: this.warned() });
  }

  private receive(kept: Kept, fresh: boolean): void {
    part("progress").hidden = true;
    part("kept").hidden = true;
    this.form.hidden = true;
    show(part("receipt"), kept);
    if (fresh) part("outcome").textContent = say(outcomeOf(kept));
    part("receipt-title").focus();
  }

  private end(attestation: string): void {
    part("progress").hidden = true;
    this.refuse("ended", "");
    const link = part<HTMLAnchorElement>("attestation");
    link.href = URL.createObjectURL(new Blob([attestation], { type: "text/plain" }));
    link.hidden = attestation === "";
  }

  private refuse(code: string, about: string): void {
    part("progress").hidden = true;
    this.form.hidden = false;
    this.wait(false);
    // a code that the page has no words for comes with the platform's own
    this.tell(say(code, { about }) || about || say("failed"), "alert");
  }

  private tell(text: string, place: "alert" | "status"): void {
    const element = part(place);
    element.textContent = text;
    element.hidden = false;
    if (place === "alert") element.scrollIntoView({ block: "nearest" });
  }
}

function outcomeOf({ received }: Kept): string {
  if (received?.["rehearsal"] === true) return "rehearsed";
  if (received?.["backup"] === true && received["on_time"] === true) return "backed-up";
  return received?.["on_time"] === true ? "received" : "late";
}

// The time left by the platform's clock: its instant when it wrote this page, and what passed since.
// The uncertainty is its own, and how long the page was on its way.
function follow(element: HTMLElement): void {
  const { until = "", earliest = "", latest = "" } = element.dataset;
  const { left: rest = "", soon = "", over = "", day = "", hour = "", minute = "" } = element.dataset;
  const said = { left: rest, soon, over, day, hour, minute };
  const [entry] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const written = entry ? entry.responseStart : 0;
  const way = entry ? entry.responseStart - entry.requestStart : 0;
  const doubt = Date.parse(latest) - Date.parse(earliest) + way;
  part("doubt").textContent = say("doubt", { ms: String(Math.ceil(doubt)) });
  const tick = (): void => {
    const now = Date.parse(latest) + performance.now() - written;
    const text = left(Date.parse(until) - now, said, language);
    if (element.textContent !== text) element.textContent = text;
  };
  tick();
  setInterval(tick, 60_000);
}

async function run(): Promise<void> {
  const form = part<HTMLFormElement>("deposit");
  const { worker = "", integrity = "" } = form.dataset;
  document.querySelector("[data-needs-script]")?.remove();
  form.hidden = false;
  follow(part("left"));
  // a worker has no integrity of its own: its bytes are compared before they run
  await fetch(worker, { integrity });
  new Page(new Worker(worker, { type: "module" })).look(form.dataset);
}

void run();
