// The time left before a deadline, in the words that the server put on the element.
//
// The server's clock is judged by the server alone: the page takes the instant at which it was
// rendered and adds what its own monotonic clock counted since. The text of the live region changes
// at most once a minute.
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Words {
  readonly left: string;
  readonly soon: string;
  readonly over: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
}

// "one|many" and a count give "1 jour" or "3 jours".
function counted(forms: string, count: number, plural: Intl.PluralRules): string {
  const [one = "", many = one] = forms.split("|");
  return (plural.select(count) === "one" ? one : many).replace("{n}", String(count));
}

export function words(left: number, said: Words, language: string): string {
  if (left < 0) return said.over;
  if (left < MINUTE) return said.soon;
  const plural = new Intl.PluralRules(language);
  const days = Math.floor(left / DAY);
  const hours = Math.floor((left % DAY) / HOUR);
  const minutes = Math.floor((left % HOUR) / MINUTE);
  const parts =
    days > 0
      ? [counted(said.day, days, plural), counted(said.hour, hours, plural)]
      : [counted(said.hour, hours, plural), counted(said.minute, minutes, plural)];
  return said.left.replace("{a}", parts[0] ?? "").replace("{b}", parts[1] ?? "");
}

export function follow(element: HTMLElement): void {
  const { countdown, now, left, soon, over, day, hour, minute } = element.dataset;
  if (!countdown || !now || !left || !soon || !over || !day || !hour || !minute) return;
  const said: Words = { left, soon, over, day, hour, minute };
  const remaining = Date.parse(countdown) - Date.parse(now);
  const started = performance.now();
  const show = (): void => {
    const text = words(remaining - (performance.now() - started), said, document.documentElement.lang);
    if (element.textContent !== text) element.textContent = text;
  };
  // the server's own words stand until the first minute has passed
  setInterval(show, MINUTE);
}
