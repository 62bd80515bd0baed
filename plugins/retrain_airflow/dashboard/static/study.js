// A search: its trials, the best one so far, and how long it will take.
import { BLUE, VERMILION } from "./parts.js";
import { h, ui } from "./react.js";
import { about, number, score, short } from "./words.js";

const [WIDTH, HEIGHT, ROOM] = [240, 70, 6];
const OVER = ["FINISHED", "KILLED", "FAILED"];

// What the candidate's run says of its search; null without one.
export function searchOf(run) {
  try {
    return JSON.parse(run.tags["retrain.search"] ?? "null");
  } catch {
    return null;
  }
}

// run: the candidate's. trials: the runs below it.
export function Study({ run, search, trials }) {
  const ordered = [...trials].sort((a, b) => numberOf(a) - numberOf(b));
  const over = ordered.filter((each) => OVER.includes(each.status));
  const running = ordered.length - over.length;
  const values = over.filter((each) => each.status === "FINISHED").map((each) => ({ number: numberOf(each), run: each, value: each.metrics[`validation_${search.metric}`] }));
  const scored = values.filter((each) => typeof each.value === "number");
  const better = (one, other) => (search.greater ? one.value > other.value : one.value < other.value);
  const best = scored.reduce((found, each) => (found === null || better(each, found) ? each : found), null);
  const left = run.status === "RUNNING" ? timeLeft(over, search) : null;
  return h(
    ui.Box,
    { "aria-label": `Search of ${run.name}`, as: "section", fontSize: "sm" },
    h("p", null, [`${number(over.length)} of ${number(search.trials)} trials`, running > 0 && `${number(running)} running`, left].filter(Boolean).join(", ")),
    ended(over, "KILLED", "pruned"),
    ended(over, "FAILED", "failed"),
    best !== null &&
      h("p", null, "Best so far: ", h("strong", null, score(best.value)), ` ${search.metric}, trial ${best.number}: `, params(best.run)),
    scored.length > 1 && h(History, { best: bestSoFar(scored, better), name: run.name, scored }),
  );
}

const numberOf = (run) => Number(run.tags["retrain.trial"]);
const params = (run) =>
  short(
    Object.entries(run.params)
      .map(([name, value]) => `${name} = ${rounded(value)}`)
      .join(", "),
    80,
  );

// Parameters come as text; a number that was drawn has sixteen digits.
const rounded = (text) => (/^-?\d*\.\d{4,}(e[-+]?\d+)?$/.test(text) ? String(Number(Number(text).toPrecision(4))) : text);

function ended(over, status, word) {
  const count = over.filter((each) => each.status === status).length;
  return count > 0 && h(ui.Text, { color: "fg.muted" }, `${number(count)} ${word}`);
}

// As long as the trials before took, so many at once.
function timeLeft(over, { parallel, trials }) {
  const seconds = over.filter((each) => each.ended_at !== null).map((each) => (new Date(each.ended_at) - new Date(each.started_at)) / 1000);
  if (seconds.length < 2 || over.length >= trials) return null;
  const each = seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
  const all = (each * (trials - over.length)) / parallel;
  return all < 90 ? `about ${about(all)} s left` : `about ${about(all / 60)} minutes left`;
}

const bestSoFar = (scored, better) =>
  scored.reduce((found, each) => [...found, found.length > 0 && !better(each, found.at(-1)) ? { ...found.at(-1), number: each.number } : each], []);

function History({ best, name, scored }) {
  const values = scored.map((each) => each.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = Math.max(1, scored.at(-1).number);
  const x = (each) => ROOM + ((WIDTH - 2 * ROOM) * each.number) / last;
  const y = (each) => ROOM + ((HEIGHT - 2 * ROOM) * (high - each.value)) / (high - low || 1);
  return h(
    "svg",
    { "aria-label": `Scores of ${number(scored.length)} trials of ${name}`, role: "img", style: { width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
    h("polyline", { fill: "none", points: best.map((each) => `${x(each)},${y(each)}`).join(" "), stroke: VERMILION, strokeWidth: 2 }),
    scored.map((each) => h("circle", { cx: x(each), cy: y(each), fill: BLUE, key: each.number, r: 2 })),
  );
}
