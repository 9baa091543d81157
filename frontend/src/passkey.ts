// Passkeys: asks the platform what to ask the authenticator, and brings its answer back.
//
// The only part of the account that needs a script. The buttons stay disabled without one, and the
// page says so; every other way to sign in works without.
interface Next {
  readonly next?: string;
}

async function sent(form: HTMLFormElement, address: string, body: object): Promise<Response> {
  return fetch(address, {
    method: "POST",
    credentials: "same-origin",
    redirect: "error",
    headers: { "Content-Type": "application/json", "Pli-CSRF": form.dataset["csrf"] ?? "" },
    body: JSON.stringify(body),
  });
}

async function went(answer: Response): Promise<boolean> {
  if (answer.status !== 200 && answer.status !== 401) return false;
  const { next } = (await answer.json()) as Next;
  if (next === undefined || !next.startsWith("/")) return false;
  location.assign(next);
  return true;
}

async function credentialOf(kind: string, asked: unknown): Promise<Credential | null> {
  if (kind === "register") {
    const options = asked as PublicKeyCredentialCreationOptionsJSON;
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  }
  const options = asked as PublicKeyCredentialRequestOptionsJSON;
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey });
}

async function run(form: HTMLFormElement): Promise<boolean> {
  const { passkey, asked, answered, next } = form.dataset;
  if (!passkey || !asked || !answered) return false;
  const options = await sent(form, asked, {});
  if (options.status !== 200) return went(options);
  const credential = await credentialOf(passkey, await options.json());
  if (!(credential instanceof PublicKeyCredential)) return false;
  const label = form.querySelector<HTMLInputElement>("input[name=label]")?.value ?? "";
  return went(await sent(form, answered, { credential: credential.toJSON(), label, next }));
}

export function offer(form: HTMLFormElement): void {
  const button = form.querySelector("button");
  const failed = form.querySelector<HTMLElement>("[role=alert]");
  if (!button || !failed || !("PublicKeyCredential" in window)) return;
  if (!("parseRequestOptionsFromJSON" in PublicKeyCredential)) return;
  form.querySelector("[data-needs-script]")?.remove();
  button.disabled = false;
  const act = async (): Promise<void> => {
    button.disabled = true;
    failed.hidden = true;
    const done = await run(form).catch(() => false);
    button.disabled = false;
    failed.hidden = done;
  };
  button.addEventListener("click", () => void act());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void act();
  });
}
