// The scores of later rows over time: a line with its band for each version, what each promised, and the promotions.
import { BLUE, VERMILION } from "./parts.js";
import { h, ui } from "./react.js";
import { date, number, score } from "./words.js";

const [WIDTH, HEIGHT, LEFT, ROOM, BELOW] = [640, 170, 56, 14, 18];
const BEFORE = "#999999";
const [ROUND, LEAST_OF_LINE] = [3.5, 3];

// scored: the cohorts with a score, the oldest first, at least two.
export function LaterChart({ live, scored }) {
  const points = scored.map((each) => ({ ...each, at: middle(each, live.promises) }));
  const [first, last] = [ms(scored[0].begins), ms(scored.at(-1).ends)];
  const [low, high] = scale(scored, live.promises);
  const x = (at) => LEFT + ROOM + ((WIDTH - LEFT - 2 * ROOM) * (Math.min(Math.max(at, first), last) - first)) / (last - first);
  const y = (value) => ROOM + ((HEIGHT - ROOM - BELOW - ROOM) * (high - Math.min(Math.max(value, low), high))) / (high - low);
  const present = live.promises.at(-1);
  const versions = [...new Set(scored.map((each) => each.version))];
  return h(
    ui.Box,
    { as: "figure", mt: 1 },
    h(
      "svg",
      { "aria-label": words(live, scored), role: "img", style: { maxHeight: "13rem", width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
      [low, (low + high) / 2, high].map((value) =>
        h(
          "g",
          { key: value },
          h("line", { stroke: "currentColor", strokeOpacity: 0.15, x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
          h(Label, { anchor: "end", x: LEFT - 6, y: y(value) + 4 }, value.toFixed(3)),
        ),
      ),
      h(Label, { anchor: "start", x: LEFT, y: HEIGHT - 3 }, date(scored[0].begins)),
      h(Label, { anchor: "end", x: WIDTH - 2, y: HEIGHT - 3 }, date(scored.at(-1).ends)),
      live.promises.map((each) => h(Stay, { first, key: each.since, last, of: each, x, y })),
      versions.map((version) =>
        h(Version, { colour: version === present?.version && present.until === null ? BLUE : BEFORE, key: version, metric: live.metric, points: points.filter((each) => each.version === version), x, y }),
      ),
    ),
    h(Legend, { live, scored }),
  );
}

function Version({ colour, metric, points, x, y }) {
  const band = points.filter((each) => each.interval !== null);
  const joined = points.length >= LEAST_OF_LINE; // two points show no course
  return h(
    "g",
    { fill: colour, stroke: colour },
    joined &&
      h("polygon", {
        fillOpacity: 0.22,
        points: [...band.map((each) => `${x(each.at)},${y(each.interval[1])}`), ...band.toReversed().map((each) => `${x(each.at)},${y(each.interval[0])}`)].join(" "),
        stroke: "none",
      }),
    joined && h("polyline", { fill: "none", points: points.map((each) => `${x(each.at)},${y(each.score)}`).join(" "), strokeWidth: 2 }),
    points.map((each) =>
      h(
        "g",
        { key: each.begins },
        h("title", null, about(each, metric)),
        !joined && each.interval && h("line", { strokeWidth: 2, x1: x(each.at), x2: x(each.at), y1: y(each.interval[0]), y2: y(each.interval[1]) }),
        h(ui.Box, { as: "circle", cx: x(each.at), cy: y(each.score), fill: each.open ? "bg.panel" : colour, r: ROUND, strokeWidth: 2 }),
        each.restated > 0 && h("circle", { cx: x(each.at), cy: y(each.score), fill: "none", r: 2 * ROUND }),
      ),
    ),
  );
}

// What a version promised, and the promotion that brought it.
function Stay({ first, last, of, x, y }) {
  const [since, until] = [ms(of.since), of.until === null ? last : ms(of.until)];
  return h(
    "g",
    null,
    since > first &&
      since < last &&
      h(
        "g",
        null,
        h("line", { stroke: "currentColor", strokeOpacity: 0.5, x1: x(since), x2: x(since), y1: ROOM, y2: HEIGHT - BELOW - ROOM / 2 }),
        h(Label, { anchor: "middle", x: x(since), y: ROOM - 3 }, `v${of.version}`),
      ),
    of.score !== null &&
      since < last &&
      until > first &&
      h("line", { stroke: VERMILION, strokeDasharray: "6 4", strokeWidth: 1.5, x1: x(since), x2: x(until), y1: y(of.score), y2: y(of.score) }),
  );
}

const Label = ({ anchor, children, x, y }) => h("text", { fill: "currentColor", style: { fontSize: 12 }, textAnchor: anchor, x, y }, children);

function Legend({ live, scored }) {
  const sign = (colour, text) => h(ui.Box, { as: "span", color: colour, key: text }, text);
  return h(
    ui.Text,
    { as: "figcaption", color: "fg.muted", fontSize: "xs" },
    sign(BLUE, "● "),
    "version in Production, ",
    scored.some((each) => each.version !== live.promises.at(-1)?.version) && [sign(BEFORE, "● "), "versions before, "],
    live.promises.some((each) => each.score !== null) && [sign(VERMILION, "┅ "), "promised, "],
    scored.some((each) => each.open) && "○ still open, ",
    scored.some((each) => each.restated > 0) && "◎ restated, ",
    `each with its 95% interval; a cohort is ${live.cohort}`,
  );
}

const ms = (iso) => new Date(iso).getTime();

// The middle of the part of a cohort in which its version was in Production.
function middle(cohort, promises) {
  const stay = promises.find((each) => each.version === cohort.version && ms(each.since) < ms(cohort.ends) && (each.until === null || ms(each.until) > ms(cohort.begins)));
  const since = Math.max(ms(cohort.begins), stay ? ms(stay.since) : 0);
  const until = Math.min(ms(cohort.ends), stay?.until ? ms(stay.until) : Infinity);
  return (since + until) / 2;
}

// The axis does not begin at zero: differences would not be visible. Nor does it hold the wide intervals of a few rows.
function scale(scored, promises) {
  const widths = scored.flatMap(({ interval }) => (interval ? [interval[1] - interval[0]] : [])).sort((a, b) => a - b);
  const usual = 2 * (widths[Math.floor(widths.length / 2)] ?? 0);
  const values = [
    ...scored.flatMap((each) => [each.score, ...(each.interval && each.interval[1] - each.interval[0] <= usual ? each.interval : [])]),
    ...promises.flatMap((each) => (each.score === null ? [] : [each.score])),
  ];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.08 || 0.01;
  return [low - room, high + room];
}

function about(each, metric) {
  const interval = each.interval === null ? "" : ` (${score(each.interval[0])} to ${score(each.interval[1])})`;
  const more = [
    each.open && "labels may still come",
    each.restated > 0 && `restated ${number(each.restated)} ×, as rows or labels changed after it closed`,
    each.unserved > 0 && `nothing was served for ${number(each.unserved)} more`,
    each.skewed > 0 && `${number(each.skewed)} of ${number(each.asked)} were served otherwise than the version predicts`,
    each.calibration !== null && `calibration error ${score(each.calibration)}`,
  ].filter(Boolean);
  return `${date(each.begins)} to ${date(each.ends)}, version ${each.version}: ${metric} ${score(each.score)}${interval}, ${number(each.rows)} rows; ${more.join("; ")}`;
}

function words({ metric, promised }, scored) {
  const newest = scored.at(-1);
  return (
    `${metric} of ${number(scored.length)} cohorts of later rows since ${date(scored[0].begins)}; the newest ${score(newest.score)}` +
    `${promised === null ? "" : `, promised ${score(promised)}`}`
  );
}
