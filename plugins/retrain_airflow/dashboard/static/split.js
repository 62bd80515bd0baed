// Split tests: Staging against Production on what units do, look by look, or how long one would take.
import { address, path } from "./api.js";
import { usePolled } from "./hooks.js";
import { BLUE, Known, Notice, VERMILION } from "./parts.js";
import { Fragment, h, PageLink, ui, useEffect } from "./react.js";
import { brief, change, date, number } from "./words.js";

const EVERY = 60;
const SURE = 0.001;
const [WIDTH, HEIGHT, LEFT, ROOM, BELOW] = [640, 130, 56, 12, 18];

export function SplitTests({ dagId, model, production }) {
  const tests = usePolled(path("specs", model, "ab"), EVERY);
  const { look } = tests;
  useEffect(() => {
    look();
  }, [production, look]);
  return h(Known, { of: tests, what: "Split tests" }, ({ plan, splits }) => {
    const [newest] = splits;
    return h(
      Fragment,
      null,
      newest && h(SplitTest, { model, test: newest }),
      newest?.outcome !== null && h(Next, { dagId, plan: plan !== null && newest && plan.at < newest.began ? null : plan }),
    );
  });
}

function SplitTest({ test }) {
  const [primary, ...guardrails] = test.effects;
  return h(
    ui.Box,
    { "aria-label": `Split test of version ${test.version}`, as: "section", fontSize: "sm" },
    h(ui.Heading, { as: "h3", mb: 1, size: "sm" }, `Split test of version ${test.version} against ${test.production}`),
    test.mismatch !== null && test.mismatch < SURE && h(Notice, { status: "error", title: "The arms do not have the shares that they should" }, "What is measured is not the model."),
    h("p", null, state(test)),
    test.outcome === null && test.says !== "" && h("p", null, test.says),
    primary?.difference != null && test.seen.length > 1 && h(Differences, { primary, test }),
    guardrails.map((each) => h("p", { key: each.metric }, `Guardrail ${shown(each)}; a loss of ${brief(each.matters)} is accepted.`)),
    test.seen.length > 0 && h(ui.Text, { color: "fg.muted" }, arms(test), test.outcome === null && test.smallest !== null && power(test, primary)),
    test.run_id !== null && h(ui.Link, { href: address(path("runs", test.run_id, "report")), target: "_blank", variant: "underline" }, "Report of this test"),
  );
}

function state({ ends, ended_why, exposed, matured, outcome, seen, share }) {
  if (outcome !== null) return `It has ended, ${outcome}: ${ended_why}`;
  const met = seen.length === 0 ? "Nobody has looked at it yet" : `${number(exposed)} units were exposed, and ${number(matured)} have matured`;
  return `${met}. Staging has ${Math.round(share * 1000) / 10}% of all units now, until ${date(ends)} at the latest.`;
}

const shown = ({ difference, high, low, metric }) =>
  difference === null || (low === null && high === null)
    ? `${metric}: too few outcomes for an interval`
    : `${metric}: Staging is ${change(difference)} [${low === null ? "…" : change(low)}, ${high === null ? "…" : change(high)}] from Production`;

function arms({ crossed, mismatch, production_units, staging_units }) {
  const both = crossed > 0 ? ` ${number(crossed)} were seen in both.` : "";
  return `${number(production_units)} units in Production’s arm and ${number(staging_units)} in Staging’s (mismatch: p = ${brief(mismatch)}).${both}`;
}

const power = ({ ends, smallest }, { matters }) =>
  ` As it goes, a gain of ${brief(smallest)} is found by ${date(ends)} in 4 of 5 tests; ${brief(matters)} matters.`;

function Differences({ primary, test }) {
  const seen = test.seen.filter((each) => each.difference !== null);
  const { matters } = primary;
  // The first intervals are so wide that they would hide all others.
  const late = seen.slice(Math.floor(seen.length / 2));
  const values = [0, matters, -matters, ...late.flatMap((each) => [each.difference, each.low, each.high].filter((value) => value !== null))];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [ms(test.began), Math.max(ms(test.outcome === null ? test.ends : test.ended), ms(seen.at(-1).at))];
  const x = (at) => LEFT + ((WIDTH - LEFT - ROOM) * (ms(at) - first)) / (last - first || 1);
  const y = (value) => ROOM + ((HEIGHT - ROOM - BELOW - ROOM) * (high - Math.min(Math.max(value, low), high))) / (high - low || 1);
  const band = seen.filter((each) => each.low !== null || each.high !== null);
  const edge = (name, end) => band.map((each) => `${x(each.at)},${y(each[name] ?? end)}`);
  return h(
    ui.Box,
    { as: "figure" },
    h(
      "svg",
      { "aria-label": `${primary.metric}, Staging less Production, look by look: ${shown(primary)}`, role: "img", style: { maxHeight: "10rem", width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
      h("polygon", { fill: BLUE, fillOpacity: 0.18, points: [...edge("high", high), ...edge("low", low).toReversed()].join(" ") }),
      h("line", { stroke: "currentColor", strokeOpacity: 0.4, x1: LEFT, x2: WIDTH, y1: y(0), y2: y(0) }),
      [matters, -matters].map((value) => h("line", { key: value, stroke: VERMILION, strokeDasharray: "5 4", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) })),
      [matters, 0, -matters].map((value) => h("text", { dominantBaseline: "middle", fill: "currentColor", key: value, style: { fontSize: 12 }, textAnchor: "end", x: LEFT - 6, y: y(value) }, change(value))),
      h("polyline", { fill: "none", points: seen.map((each) => `${x(each.at)},${y(each.difference)}`).join(" "), stroke: BLUE, strokeWidth: 2 }),
      seen.map((each) => h("circle", { cx: x(each.at), cy: y(each.difference), fill: BLUE, key: each.at, r: 3 }, h("title", null, about(each, primary.metric)))),
      h("text", { fill: "currentColor", style: { fontSize: 12 }, x: LEFT, y: HEIGHT - 3 }, date(test.began)),
      h("text", { fill: "currentColor", style: { fontSize: 12 }, textAnchor: "end", x: WIDTH - 2, y: HEIGHT - 3 }, date(last)),
    ),
    h(
      ui.Text,
      { as: "figcaption", color: "fg.muted", fontSize: "xs" },
      h(ui.Box, { as: "span", color: BLUE }, "● "),
      `${primary.metric}, Staging less Production, with the interval that holds at all looks, `,
      h(ui.Box, { as: "span", color: VERMILION }, "┅ "),
      "what matters",
    ),
  );
}

const ms = (at) => new Date(at).getTime();

const about = ({ at, difference, exposed, high, low, matured }, metric) =>
  `${date(at)}: ${shown({ difference, high, low, metric })}; ${number(exposed)} units exposed, ${number(matured)} matured`;

// Before a test begins: what it would need.
function Next({ dagId, plan }) {
  return h(
    ui.Box,
    { "aria-label": "The next split test", as: "section", fontSize: "sm" },
    plan !== null && [
      h(ui.Heading, { as: "h3", key: "title", mb: 1, size: "sm" }, "A split test would take"),
      ...plan.needs.map((need, place) => h("p", { key: need.metric }, needed(need, plan, place === 0))),
      h("p", { key: "enough" }, `${weeks(plan.longest)} and ${number(plan.units)} units: ${plan.enough ? "" : "not "}enough for each metric by itself. Planned on ${date(plan.at)}.`),
    ],
    h(ui.Text, { color: "fg.muted" }, `${plan === null ? "Plan" : "Start"} a split test of the version in Staging with `, h(ui.Link, { as: PageLink, to: `/dags/${dagId}`, variant: "underline" }, dagId), "."),
  );
}

function needed({ days, effect, mean, metric, smallest, units }, plan, decides) {
  const what = decides ? `a change of ${brief(effect)} is found` : `a loss of ${brief(effect)} is ruled out`;
  const when = days === null ? "not within two years" : `in 4 of 5 tests within ${weeks(days)}, by ${number(units)} units`;
  const within = smallest === null ? "" : `; within ${weeks(plan.longest)}, ${brief(smallest)} is`;
  return `${metric} is ${brief(mean)} a unit now; ${what} ${when}${within}.`;
}

const weeks = (days) => (days === 7 ? "1 week" : `${number(days / 7)} weeks`);
