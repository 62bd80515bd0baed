// The scores of Production and of its challengers, verdict by verdict, each with its interval.
import { BLUE, VERMILION } from "./parts.js";
import { h, ui } from "./react.js";
import { score, time } from "./words.js";

const [WIDTH, HEIGHT, LEFT, ROOM] = [640, 150, 56, 12];

export function Trend({ verdicts }) {
  // Scores of another metric have another scale.
  const { metric } = verdicts[0].verdict;
  const shown = verdicts
    .toReversed()
    .filter(({ verdict }) => verdict.metric === metric && verdict.score !== null);
  if (shown.length === 0) return null;
  if (shown.length === 1) return h(ui.Text, { fontSize: "sm" }, alone(shown[0].verdict));
  const values = shown.flatMap(({ verdict }) => [
    ...(verdict.score_interval ?? [verdict.score]),
    ...(verdict.production_interval ?? (verdict.production_score === null ? [] : [verdict.production_score])),
  ]);
  const [low, high] = widened(Math.min(...values), Math.max(...values));
  const x = (place) => LEFT + ROOM + ((WIDTH - LEFT - 2 * ROOM) * (place + 0.5)) / shown.length;
  const y = (value) => ROOM + ((HEIGHT - 2 * ROOM) * (high - value)) / (high - low);
  return h(
    ui.Box,
    { as: "figure" },
    h(
      "svg",
      { "aria-label": words(shown, metric), role: "img", style: { maxHeight: "12rem", width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
      [low, (low + high) / 2, high].map((value) =>
        h(
          "g",
          { key: value },
          h("line", { stroke: "currentColor", strokeOpacity: 0.15, x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
          h("text", { dominantBaseline: "middle", fill: "currentColor", style: { fontSize: 12 }, textAnchor: "end", x: LEFT - 6, y: y(value) }, value.toFixed(3)),
        ),
      ),
      shown.map(({ judged_at, verdict }, place) =>
        h(
          "g",
          { key: verdict.matchup.id },
          h("title", null, `${time(judged_at)}: ${metric} ${score(verdict.score)}, Production ${score(verdict.production_score)}`),
          h(Mark, { colour: VERMILION, interval: verdict.production_interval, round: false, value: verdict.production_score, x: x(place) - 4, y }),
          h(Mark, { colour: BLUE, interval: verdict.score_interval, round: true, value: verdict.score, x: x(place) + 4, y }),
        ),
      ),
    ),
    h(
      ui.Text,
      { as: "figcaption", color: "fg.muted", fontSize: "xs" },
      h(ui.Box, { as: "span", color: BLUE }, "● "),
      `challenger, `,
      h(ui.Box, { as: "span", color: VERMILION }, "■ "),
      `Production: ${metric} with its 95% interval, cycle by cycle`,
    ),
  );
}

function Mark({ colour, interval, round, value, x, y }) {
  if (value === null) return null;
  return h(
    "g",
    { fill: colour, stroke: colour },
    interval && h("line", { strokeWidth: 2, x1: x, x2: x, y1: y(interval[0]), y2: y(interval[1]) }),
    round
      ? h("circle", { cx: x, cy: y(value), r: 3.5 })
      : h("rect", { height: 7, width: 7, x: x - 3.5, y: y(value) - 3.5 }),
  );
}

// The axis does not begin at zero: the differences would not be visible.
function widened(low, high) {
  const room = (high - low) * 0.1 || 0.01;
  return [low - room, high + room];
}

// One point shows no trend.
function alone({ metric, production_score, score: found, score_interval }) {
  const range = score_interval === null ? "" : ` (95%: ${score_interval.map(score).join(" to ")})`;
  const beside = production_score === null ? "" : `, Production ${score(production_score)}`;
  return `${metric} ${score(found)}${range}${beside}.`;
}

function words(shown, metric) {
  const { verdict } = shown.at(-1);
  return (
    `${metric} of the last ${shown.length} challengers and of Production beside them; the newest: challenger ` +
    `${score(verdict.score)}, Production ${score(verdict.production_score)}`
  );
}
