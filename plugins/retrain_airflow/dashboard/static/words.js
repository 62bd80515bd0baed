// Numbers and times as text.

const locale = document.documentElement.lang || undefined;
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
const count = new Intl.NumberFormat(locale);
const rough = new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const UNITS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export const time = (iso) => moment.format(new Date(iso));
export const date = (iso) => day.format(new Date(iso));
export const number = (value) => count.format(value);
export const about = (value) => rough.format(value);
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(4));
// Three digits that count, of values of any size.
export const brief = (value) => (value === null ? "…" : String(Number(value.toPrecision(3))).replace("-", "−"));
export const change = (value) => (value > 0 ? `+${brief(value)}` : brief(value));
export const signed = (value) => (value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`);

export function ago(iso, now = Date.now()) {
  const seconds = (new Date(iso) - now) / 1000;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? ["minute", 60];
  return relative.format(Math.round(seconds / length), unit);
}

// A long text loses its middle: long names often differ at their end.
export function short(text, most = 60) {
  const end = Math.floor(most / 3);
  return text.length <= most ? text : `${text.slice(0, most - 1 - end)}…${text.slice(-end)}`;
}
