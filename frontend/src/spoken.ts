// Sizes, spans of time and instants as people read them, and the texts that the server put on a page.
const UNITS = { fr: ["o", "Ko", "Mo", "Go", "To"], en: ["B", "kB", "MB", "GB", "TB"] };

export function size(bytes: number, language: string): string {
  const units = language === "fr" ? UNITS.fr : UNITS.en;
  let [scaled, unit] = [bytes, 0];
  while (scaled >= 1000 && unit < units.length - 1) [scaled, unit] = [scaled / 1000, unit + 1];
  const maximumFractionDigits = unit > 0 && scaled < 100 ? 1 : 0;
  return `${scaled.toLocaleString(language, { maximumFractionDigits })} ${units[unit]}`;
}

export function span(seconds: number, language: string): string {
  const [value, unit] =
    seconds < 90
      ? [seconds, "second"]
      : seconds < 5400
        ? [seconds / 60, "minute"]
        : [seconds / 3600, "hour"];
  return Math.max(1, Math.round(value)).toLocaleString(language, {
    style: "unit",
    unit,
    unitDisplay: "long",
  });
}

export function moment(at: string, language: string): string {
  return new Date(at).toLocaleString(language, {
    timeZone: "Europe/Paris",
    dateStyle: "full",
    timeStyle: "long",
  });
}

// Texts of this page by name, `{value}` filled in.
export function texts(): (name: string, values?: Readonly<Record<string, string>>) => string {
  const source = document.querySelector<HTMLTemplateElement>("template[data-words]");
  return (name, values = {}) => {
    const found = source?.content.querySelector(`[data-word="${CSS.escape(name)}"]`);
    const text = found?.textContent ?? "";
    return text.replace(/\{(\w+)\}/g, (whole, key: string) => values[key] ?? whole);
  };
}
