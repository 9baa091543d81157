// Calls to the platform over a line that may break: the same call is made again until it is answered
// (envelope.md §8: every step is idempotent). What a call sends is bytes, numbers and identifiers; the
// names of documents are in nothing that this file is ever given.
import { type Fields, release } from "./canonical.ts";

// The platform's own refusal; `code` and `title` are its words.
export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, title: string) {
    super(title);
    this.status = status;
    this.code = code;
  }
}

// A session that ended without a deposit; `state` holds its attestation.
export class Ended extends Error {
  readonly state: Fields;

  constructor(state: Fields) {
    super(String(state["state"]));
    this.state = state;
  }
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
}

const FIRST_MS = 500;
const LONGEST_MS = 15_000;
const SILENCE_MS = 120_000;
const PATIENCE = 8;

export class Line {
  private readonly csrf: string;
  private readonly waiting: (waits: boolean) => void;

  constructor(csrf: string, waiting: (waits: boolean) => void) {
    this.csrf = csrf;
    this.waiting = waiting;
  }

  async call(method: string, path: string, sent: Sent = {}): Promise<Fields> {
    let pause = FIRST_MS;
    for (let answered = 0; ; ) {
      const answer = await this.once(method, path, sent);
      if (answer !== undefined) {
        const busy = [408, 429, 500, 502, 503, 504].includes(answer.status);
        if (!busy || ++answered >= PATIENCE) return await read(answer);
      }
      this.waiting(true);
      await rested(Math.max(pause, 1000 * Number(answer?.headers.get("retry-after") ?? 0)));
      pause = Math.min(2 * pause, LONGEST_MS);
    }
  }

  // Returns the answer, or undefined where the line broke.
  private async once(method: string, path: string, sent: Sent): Promise<Response | undefined> {
    try {
      const answer = await fetch(path, {
        method,
        credentials: "same-origin",
        redirect: "error",
        cache: "no-store",
        headers: { "pli-csrf": this.csrf, ...sent.headers },
        signal: AbortSignal.timeout(SILENCE_MS),
        ...(sent.body === undefined ? {} : { body: sent.body }),
      });
      // a line that breaks inside of an answer is a broken line
      const whole = new Response(await answer.blob(), answer);
      this.waiting(false);
      return whole;
    } catch {
      return undefined;
    }
  }
}

async function read(answer: Response): Promise<Fields> {
  const body: Fields = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const title = String(body["detail"] ?? body["title"] ?? `HTTP ${answer.status}`);
  throw new Problem(answer.status, String(body["code"] ?? "network.answer"), title);
}

// Ends after so many milliseconds, or as soon as the browser says that it is online again.
function rested(pause: number): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, pause);
    addEventListener("online", end);
  });
}

// Sends one envelope, or what is missing of it; four chunks at once.
const BASE = "/api/v1/transmissions";
const ENDED = ["REFUSED", "FAILED", "EXPIRED"];
const PARALLEL = 4;

export interface Outgoing {
  readonly deposit: string;
  readonly form: Fields;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly commitment: string;
  readonly attempt: number;
}

// Returns the state of the transmission that was begun before, or of a new one; a session that ended
// without a deposit is followed by another one, once.
export async function announce(line: Line, out: Outgoing): Promise<Fields> {
  let state: Fields = {};
  for (const attempt of [out.attempt, out.attempt + 1]) {
    const started = await start(line, out, attempt);
    const at = `${BASE}/${String(started["transmission"])}`;
    state = await line.call("GET", at);
    if (ENDED.includes(String(state["state"]))) continue;
    if (state["state"] === "COMPLETED" || state["missing"] !== undefined) return state;
    const headers = { "pli-commitment": out.commitment };
    return await line.call("PUT", `${at}/head`, { headers, body: out.head });
  }
  throw new Ended(state);
}

// Ends an envelope's session as an event; what it answers holds the attestation of the attempt.
export async function giveUp(line: Line, out: Outgoing): Promise<Fields> {
  const started = await start(line, out, out.attempt);
  return await line.call("DELETE", `${BASE}/${String(started["transmission"])}`);
}

function start(line: Line, out: Outgoing, attempt: number): Promise<Fields> {
  return line.call("POST", BASE, {
    headers: {
      "content-type": "application/json",
      "idempotency-key": `deposit-${out.deposit}-${attempt}`,
    },
    body: JSON.stringify(out.form),
  });
}

export function missingOf(state: Fields): number[] {
  const ranges = (state["missing"] ?? []) as readonly (readonly [number, number])[];
  return ranges.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at),
  );
}

export async function deliver(
  line: Line,
  transmission: string,
  chunks: AsyncIterable<{ index: number; leaf: string; body: Uint8Array<ArrayBuffer> }>,
  told: (bytes: number) => void,
): Promise<Fields> {
  const at = `${BASE}/${transmission}`;
  const running = new Set<Promise<void>>();
  for await (const { index, leaf, body } of chunks) {
    const put = line
      .call("PUT", `${at}/chunks/${index}`, { headers: { "pli-leaf": leaf }, body })
      .then(() => {
        running.delete(put);
        told(body.length);
        release(body);
      });
    // whoever waits for it next is told; nobody else has to be
    put.catch(() => undefined);
    running.add(put);
    if (running.size >= PARALLEL) await Promise.race(running);
  }
  await Promise.all(running);
  return await line.call("POST", `${at}/finish`, {
    headers: { "idempotency-key": `finish-${transmission}` },
  });
}
