// A cycle in progress: its runs, with the curves of their metrics while they are logged.
import { path, post } from "./api.js";
import { Confirmed } from "./confirmed.js";
import { useMetrics, usePolled } from "./hooks.js";
import { BLUE, Known, Moment, Notice, VERMILION } from "./parts.js";
import { h, PageLink, ui } from "./react.js";
import { searchOf, Study } from "./study.js";
import { number, short } from "./words.js";

const EVERY = 3;
const COLOURS = [BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const [WIDTH, HEIGHT, ROOM] = [240, 70, 6];

export function LiveCycle({ cycle, look, spec }) {
  const made = usePolled(path("specs", spec.model, "cycles", cycle.dag_run_id), EVERY);
  const page = `/dags/${spec.dag_id}/runs/${encodeURIComponent(cycle.dag_run_id)}`;
  return h(
    ui.Box,
    { "aria-label": `Cycle ${cycle.dag_run_id}`, as: "section", borderWidth: 1, borderRadius: "md", p: 3 },
    h(
      ui.HStack,
      { justify: "space-between", wrap: "wrap" },
      h(
        "p",
        null,
        h("strong", null, cycle.state === "queued" ? "A cycle is queued" : "A cycle is running"),
        ", since ",
        h(Moment, { at: cycle.since }),
      ),
      h(ui.Link, { as: PageLink, to: page }, "Its tasks"),
    ),
    cycle.asks && h(Asks, { cycle, look, spec }),
    h(Known, { of: made, what: "Its runs in MLflow" }, (state) => h(Candidates, state)),
  );
}

// runs: those of one cycle, the oldest first. more_runs: there are more than these.
export function Candidates({ more_runs, runs }) {
  const candidates = runs.filter(isCandidate);
  return candidates.length === 0
    ? h(ui.Text, { color: "fg.muted", fontSize: "sm" }, "No candidate is trained yet.")
    : h(
        "div",
        null,
        more_runs && h(ui.Text, { color: "fg.muted", fontSize: "sm" }, `Of the first ${number(runs.length)} runs: MLflow has all of them.`),
        h(
          ui.SimpleGrid,
          { as: "ul", gap: 4, minChildWidth: "15rem", listStyleType: "none", mt: 2 },
          candidates.map((run) => h(Candidate, { key: run.id, run, trials: runs.filter((each) => isTrial(each, run)) })),
        ),
      );
}

const isCandidate = (run) => run.tags["retrain.candidate"] !== undefined;
const isTrial = (run, of) => run.tags["retrain.trial"] !== undefined && run.tags["mlflow.parentRunId"] === of.id;
// The cycle's own run has no parent.
export const isOfCycle = (run) => run.tags["mlflow.parentRunId"] === undefined;

function Candidate({ run, trials }) {
  const search = searchOf(run);
  const streamed = useMetrics(run.id);
  const last = Object.entries(run.metrics).map(([name, value]) => [name, [{ step: 0, timestamp: 0, value }]]);
  const metrics = { ...Object.fromEntries(last), ...streamed };
  const names = Object.keys(metrics).sort();
  return h(
    ui.Box,
    { "aria-label": run.name, as: "li", "data-run": run.id },
    h(ui.Text, { fontWeight: "bold", overflowWrap: "anywhere", title: run.name }, `${short(run.name)}: ${run.status.toLowerCase()}`),
    search !== null && h(Study, { run, search, trials }),
    names.length === 0
      ? search === null && h(ui.Text, { color: "fg.muted", fontSize: "sm" }, "No metric yet.")
      : h(Curves, { metrics, names, of: run.name }),
  );
}

function Curves({ metrics, names, of }) {
  const drawn = names.filter((name) => metrics[name].filter(finite).length > 1);
  return h(
    "div",
    null,
    drawn.length > 0 &&
      h(
        "svg",
        { "aria-label": `Curves of ${drawn.join(", ")} of ${of}`, role: "img", style: { width: "100%" }, viewBox: `0 0 ${WIDTH} ${HEIGHT}` },
        drawn.map((name, place) => h(Curve, { colour: COLOURS[place % COLOURS.length], key: name, points: metrics[name].filter(finite) })),
      ),
    h(
      ui.Box,
      { as: "dl", fontSize: "sm" },
      names.map((name) =>
        h(
          ui.HStack,
          { justify: "space-between", key: name },
          h(ui.Text, { as: "dt", color: "fg.muted", overflowWrap: "anywhere" }, drawn.includes(name) && h(ui.Box, { as: "span", color: COLOURS[drawn.indexOf(name) % COLOURS.length] }, "— "), name),
          h("dd", null, shown(metrics[name].at(-1).value)),
        ),
      ),
    ),
  );
}

// Each curve has its own scale: a loss and a share cannot be compared.
function Curve({ colour, points }) {
  const [low, high] = ends(points.map((each) => each.value));
  const [first, last] = ends(points.map((each) => each.step));
  const x = (step) => ROOM + ((WIDTH - 2 * ROOM) * (step - first)) / (last - first || 1);
  const y = (value) => ROOM + ((HEIGHT - 2 * ROOM) * (high - value)) / (high - low || 1);
  return h("polyline", { fill: "none", points: points.map((each) => `${x(each.step)},${y(each.value)}`).join(" "), stroke: colour, strokeWidth: 2 });
}

// Not Math.min(...all), which takes some ten thousand at most.
const ends = (all) => all.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [Infinity, -Infinity]);

// A value that is not finite comes as text.
const finite = (point) => typeof point.value === "number";
const shown = (value) => (typeof value === "number" ? value.toPrecision(4) : value);

function Asks({ cycle, look, spec }) {
  const form = `/dags/${spec.dag_id}/runs/${encodeURIComponent(cycle.dag_run_id)}/tasks/ask/required_actions`;
  const answer = (approve) => post(path("specs", spec.model, "cycles", cycle.dag_run_id, "approval"), { approve });
  const now = spec.production === null ? "Nothing is there now." : `In place of version ${spec.production}.`;
  return h(
    Notice,
    { status: "warning", title: "It waits for an approval" },
    h(
      ui.HStack,
      { gap: 2, wrap: "wrap" },
      spec.may.includes("promote") &&
        h(Confirmed, {
          does: `The judged version goes into Production. ${now} If Production has changed since the verdict, a new cycle judges again instead.`,
          look,
          name: "Approve",
          run: () => answer(true),
        }),
      spec.may.includes("promote") &&
        h(Confirmed, { does: "Production stays as it is; the rows count as used.", look, name: "Hold", run: () => answer(false), variant: "outline" }),
      h(ui.Link, { as: PageLink, to: form }, "The form in Airflow"),
    ),
  );
}
