// One model: its Production, how near the next cycle is, the last verdicts, and the buttons.
import { Actions } from "./actions.js";
import { path } from "./api.js";
import { usePolled } from "./hooks.js";
import { LaterRows } from "./later.js";
import { LiveCycle } from "./live.js";
import { Known, Moment, Notice } from "./parts.js";
import { Fragment, h, PageLink, ui, useEffect, useState } from "./react.js";
import { SplitTests } from "./split.js";
import { Strip } from "./strip.js";
import { Trend } from "./trend.js";
import { about, ago, number, short, time } from "./words.js";

const [CALM, BUSY] = [15, 3];
const LAST = 30;

export function ModelCard({ model }) {
  const [busy, setBusy] = useState(false);
  const state = usePolled(path("specs", model), busy ? BUSY : CALM);
  const running = (state.value?.running ?? []).length > 0;
  if (running !== busy) setBusy(running);
  return h(
    ui.Card.Root,
    { "aria-label": model, as: "article", "data-model": model, overflow: "hidden" },
    h(
      ui.Card.Body,
      { gap: 4 },
      h(
        ui.Heading,
        { as: "h2", overflowWrap: "anywhere", size: "md" },
        state.value
          ? h(ui.Link, { as: PageLink, variant: "underline", title: model, to: `/dags/${state.value.dag_id}/plugin/retrain-model` }, short(model))
          : short(model),
      ),
      h(Known, { of: state, what: "The model’s state" }, (spec) => h(Spec, { look: state.look, spec })),
    ),
  );
}

function Spec({ look, spec }) {
  const verdicts = usePolled(`${path("specs", spec.model)}/verdicts?max_results=${LAST}`, CALM);
  const judged = spec.last_cycle?.judged_at;
  const { look: lookAtVerdicts } = verdicts;
  useEffect(() => {
    lookAtVerdicts();
  }, [judged, lookAtVerdicts]);
  return h(
    Fragment,
    null,
    spec.freeze &&
      h(
        Notice,
        { status: "warning", title: spec.freeze.split === null ? "Production is frozen" : "A split test holds other versions back" },
        `Until ${time(spec.freeze.until)}, by ${spec.freeze.by}: ${spec.freeze.why}`,
      ),
    spec.paused && h(Notice, { status: "warning", title: "The DAG is paused" }, "Nothing runs until it is unpaused."),
    h(Production, { spec }),
    h(Waiting, { spec }),
    spec.running.map((cycle) => h(LiveCycle, { cycle, key: cycle.dag_run_id, look, spec })),
    h(Known, { of: verdicts, what: "Verdicts" }, ({ verdicts: found }) =>
      found.length === 0
        ? h(ui.Text, { color: "fg.muted" }, `No cycle has been judged yet. One starts when enough rows are there${spec.may.includes("log") ? ", or with “Retrain now”" : ""}.`)
        : h(Fragment, null, h(Strip, { verdicts: found }), h(Trend, { verdicts: found })),
    ),
    spec.production !== null && h(LaterRows, { model: spec.model, production: spec.production }),
    spec.ab_dag_id !== null && h(SplitTests, { dagId: spec.ab_dag_id, model: spec.model, production: spec.production }),
    h(ui.Box, { mt: "auto" }, h(Actions, { look, spec })),
  );
}

function Production({ spec }) {
  const { production, promotion } = spec;
  if (production === null) {
    return h(
      "p",
      null,
      h("strong", null, "Nothing is in Production. "),
      spec.mode === "observe"
        ? "The spec’s mode is observe: verdicts are announced and change nothing."
        : "The first version that reaches the floor goes there.",
    );
  }
  return h(
    ui.Box,
    null,
    h("p", null, h("strong", { "data-production": production }, `Version ${production}`), " in Production since ", h(Moment, { at: promotion.applied_at })),
    h(
      ui.Text,
      { color: "fg.muted", fontSize: "sm", lineClamp: 3, overflowWrap: "anywhere", title: `By ${promotion.by}: ${promotion.why}` },
      `By ${promotion.by}: ${promotion.why}`,
    ),
  );
}

function Waiting({ spec }) {
  const { expected, next_run, rows_a_day, rows_needed, rows_waiting } = spec;
  const known = rows_waiting !== null;
  const words = [
    known ? `${number(rows_waiting)} of ${number(rows_needed)} new labelled rows wait` : spec.says,
    rows_a_day > 0 && `about ${about(rows_a_day)} a day`,
    spec.enough ? "enough for a cycle" : expected && `enough ${ago(expected)} at this rate`,
    next_run && `next look ${ago(next_run)}`,
  ];
  return h(
    ui.Box,
    null,
    h(
      ui.Progress.Root,
      { "aria-label": "Rows that wait for the next cycle", max: rows_needed, value: known ? Math.min(rows_waiting, rows_needed) : 0 },
      h(ui.Progress.Track, null, h(ui.Progress.Range)),
    ),
    h(ui.Text, { fontSize: "sm", mt: 1 }, words.filter(Boolean).join("; "), "."),
  );
}
