// The panel on the page of a DAG run: what the cycle has made, and its verdict.
import { address, path } from "./api.js";
import { usePolled } from "./hooks.js";
import { Candidates, isOfCycle } from "./live.js";
import { ModelOf } from "./model.js";
import { Known, Notice, result, Rows, Section } from "./parts.js";
import { Fragment, h, ui, useState } from "./react.js";
import { number, score, signed, time } from "./words.js";

const [CALM, BUSY] = [60, 5];

export const CyclePanel = ({ dagId, dagRunId }) => h(ModelOf, { dagId }, (model) => h(Panel, { dagRunId, model }));

function Panel({ dagRunId, model }) {
  const [busy, setBusy] = useState(true);
  const cycle = usePolled(path("specs", model, "cycles", dagRunId), busy ? BUSY : CALM);
  const inProgress = !cycle.value?.judged || cycle.value.runs.some((run) => run.status === "RUNNING");
  if (inProgress !== busy) setBusy(inProgress);
  return h(Known, { of: cycle, what: "The cycle" }, ({ judged, runs }) => {
    const own = runs.find(isOfCycle);
    return h(
      Fragment,
      null,
      judged
        ? h(Verdict, judged)
        : h(Notice, { title: "No verdict yet" }, "It appears when the task evaluate has ended. A run that found too few rows makes none."),
      judged && own && h(ui.Link, { href: address(path("runs", own.id, "report")), target: "_blank", variant: "underline" }, "Report of this cycle"),
      h(Section, { title: "Candidates" }, h(Candidates, { runs })),
    );
  });
}

function Verdict({ judged_at, promotion, verdict }) {
  const { matchup } = verdict;
  const range = (ends) => (ends === null ? "–" : `${score(ends[0])} to ${score(ends[1])}`);
  const scores = [
    ["Score", score(verdict.score), range(verdict.score_interval)],
    [matchup.production === null ? "Production" : `Version ${matchup.production}`, score(verdict.production_score), range(verdict.production_interval)],
    ["Difference", signed(verdict.difference), verdict.interval === null ? "–" : verdict.interval.map(signed).join(" to ")],
  ];
  return h(
    Section,
    { title: `${result(verdict)}: ${matchup.candidate}` },
    h(ui.Text, { overflowWrap: "anywhere" }, verdict.reason, "."),
    h(Rows, {
      caption: `The scores of the verdict of ${time(judged_at)}`,
      columns: [verdict.metric, "Value", "95% interval"],
      rows: scores.map((cells) => ({ cells, key: cells[0] })),
    }),
    h(
      ui.Text,
      { color: "fg.muted", fontSize: "sm", mt: 2 },
      `${number(verdict.rows)} rows; test ${matchup.test} of ${verdict.tests} of holdout round ${matchup.holdout_round}. `,
      promotion === null ? "Production stayed as it was." : `Version ${promotion.to_version} followed, by ${promotion.by}.`,
    ),
  );
}
