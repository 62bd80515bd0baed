// Trials: Staging against Production on labels that come later, look by look, with what would end them.
import { BLUE, VERMILION } from "./parts.js";
import { h, ui } from "./react.js";
import { date, number, score, signed } from "./words.js";

const [WIDTH, HEIGHT, LEFT, ROOM] = [640, 110, 56, 12];

export function Trials({ trials }) {
  const shown = trials.filter((each, place) => each.outcome === null || place === trials.length - 1);
  return shown.map((each) => h(Trial, { key: each.began, trial: each }));
}

function Trial({ trial }) {
  return h(
    ui.Box,
    { "aria-label": `Trial of version ${trial.version}`, as: "section", fontSize: "sm" },
    h(ui.Heading, { as: "h3", mb: 1, size: "sm" }, `Trial of version ${trial.version} against ${trial.production}`),
    h("p", null, state(trial), trial.steps.length > 0 && ` ${last(trial)}`),
    trial.outcome === null && trial.steps.length > 1 && h(Steps, { trial }),
  );
}

function state({ deadline, max_rows, outcome, rows, waits, why }) {
  if (outcome !== null) return `It has ended, ${outcome}: ${why}.`;
  if (waits) return "It waits for the trial before it.";
  return `${number(rows)} of ${number(max_rows)} later rows, until ${date(deadline)} at the latest.`;
}

function last({ metric, production_score, steps, score: own }) {
  const { drops, gain, promotes } = steps.at(-1);
  const ends = [promotes !== null && `promoted above ${signed(promotes)}`, drops !== null && `dropped below ${signed(drops)}`].filter(Boolean);
  return `${metric} ${score(own)} against ${score(production_score)}, a gain of ${signed(gain)}${ends.length > 0 ? `; ${ends.join(", ")}` : ""}.`;
}

function Steps({ trial }) {
  const { max_rows, steps } = trial;
  const values = steps.flatMap((each) => [each.gain, each.promotes, each.drops]).filter((each) => each !== null);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const x = (each) => LEFT + ((WIDTH - LEFT - ROOM) * Math.min(each.rows, max_rows)) / max_rows;
  const y = (value) => ROOM + ((HEIGHT - 2 * ROOM) * (high - value)) / (high - low || 1);
  const line = (name) =>
    steps
      .filter((each) => each[name] !== null)
      .map((each) => `${x(each)},${y(each[name])}`)
      .join(" ");
  return h(
    "svg",
    { "aria-label": `Gain of version ${trial.version} look by look, with its two bounds`, role: "img", style: { maxHeight: "9rem", width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
    h("line", { stroke: "currentColor", strokeOpacity: 0.3, x1: LEFT, x2: WIDTH, y1: y(0), y2: y(0) }),
    [low, high].filter((each) => each !== 0).map((each) => h("text", { fill: "currentColor", fontSize: 11, key: each, textAnchor: "end", x: LEFT - 6, y: y(each) + 4 }, signed(each))),
    ["promotes", "drops"].map((name) => h("polyline", { fill: "none", key: name, points: line(name), stroke: VERMILION, strokeDasharray: "5 4", strokeWidth: 1.5 })),
    h("polyline", { fill: "none", points: line("gain"), stroke: BLUE, strokeWidth: 2 }),
    steps.map((each) => h("circle", { cx: x(each), cy: y(each.gain), fill: BLUE, key: each.rows, r: 3 }, h("title", null, `${number(each.rows)} rows: ${signed(each.gain)}`))),
  );
}
