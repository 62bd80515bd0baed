// The panel on the page of a DAG: its model, the verdicts, and the history of Production.
import { path } from "./api.js";
import { ModelCard } from "./card.js";
import { usePolled } from "./hooks.js";
import { Known, Moment, Notice, result, Rows, Section } from "./parts.js";
import { Fragment, h, PageLink, ui } from "./react.js";
import { date, number, score, signed } from "./words.js";

const EVERY = 30;

// children: a function from the model of this DAG to what is shown.
export function ModelOf({ children, dagId }) {
  const specs = usePolled("specs/", EVERY);
  return h(
    ui.Box,
    { "data-retrain": "model", p: 4 },
    h(Known, { of: specs, what: "The list of models" }, ({ specs: found }) => {
      const spec = found.find((each) => each.dag_id === dagId);
      return spec ? children(spec.model) : h(NoModel, { dags: found.map((each) => each.dag_id) });
    }),
  );
}

export const ModelPanel = ({ dagId }) =>
  h(ModelOf, { dagId }, (model) =>
    h(Fragment, null, h(ModelCard, { model }), h(Verdicts, { model }), h(Later, { model }), h(History, { model })),
  );

function Verdicts({ model }) {
  const verdicts = usePolled(`${path("specs", model)}/verdicts?max_results=100`, EVERY);
  return h(
    Section,
    { title: "Verdicts" },
    h(Known, { of: verdicts, what: "Verdicts" }, ({ verdicts: found }) =>
      found.length === 0
        ? h(ui.Text, { color: "fg.muted" }, "None yet: the first cycle makes one.")
        : h(Rows, {
            caption: "Verdicts, the newest first",
            columns: ["When", "Outcome", "Candidate", "Score", "Production", "Difference", "Why", "Then"],
            rows: found.map(({ judged_at, promotion, verdict }) => ({
              cells: [
                h(Moment, { at: judged_at }),
                result(verdict),
                verdict.matchup.candidate,
                score(verdict.score),
                score(verdict.production_score),
                signed(verdict.difference),
                verdict.reason,
                followed(promotion),
              ],
              key: verdict.matchup.id,
            })),
          }),
    ),
  );
}

function followed(promotion) {
  if (promotion === null) return "Production stayed as it was";
  if (promotion.superseded_at !== null) return "Production was changed by hand meanwhile";
  return `version ${promotion.to_version} ${promotion.applied_at === null ? "is on its way" : "came into Production"}`;
}

function Later({ model }) {
  const later = usePolled(path("specs", model, "live"), EVERY);
  return h(
    Section,
    { title: "Later rows" },
    h(Known, { of: later, what: "Later rows" }, ({ cohort, cohorts, metric }) =>
      cohorts.length === 0
        ? h(ui.Text, { color: "fg.muted" }, cohort === null ? "They are not scored: the spec has no label time, or no cohorts." : "None that were labelled since a version came into Production have been scored yet.")
        : h(Rows, {
            caption: "Scores of later rows, the newest first",
            columns: ["From", "To", "Version", metric, "95% interval", "Rows", "Calibration error", ...(sliced(cohorts) ? ["Slices"] : []), "State"],
            rows: cohorts.toReversed().map((each) => ({
              cells: [
                date(each.begins),
                date(each.ends),
                each.version,
                score(each.score),
                each.interval === null ? "–" : each.interval.map(score).join(" to "),
                each.rows === each.labelled ? number(each.rows) : `${number(each.rows)} of ${number(each.labelled)}`,
                score(each.calibration),
                ...(sliced(cohorts) ? [each.slices.map((slice) => `${slice.name} ${score(slice.score)}`).join(", ")] : []),
                state(each),
              ],
              key: `${each.begins} ${each.version}`,
            })),
          }),
    ),
  );
}

const sliced = (cohorts) => cohorts.some((each) => each.slices.length > 0);

function state({ open, restated }) {
  const words = [open ? "open: labels may still come" : "closed", restated > 0 && `restated ${number(restated)} ×`];
  return words.filter(Boolean).join(", ");
}

function History({ model }) {
  const history = usePolled(`${path("models", model)}/history?max_results=1000`, EVERY);
  return h(
    Section,
    { title: "Production" },
    // 404: MLflow has no such model yet.
    history.problem?.status === 404
      ? h(ui.Text, { color: "fg.muted" }, "No version has been in Production yet.")
      : h(Known, { of: history, what: "What was in Production" }, ({ promotions }) =>
          h(Rows, {
            caption: "What was in Production, the newest first",
            columns: ["When", "From", "To", "By", "Why"],
            rows: promotions.toReversed().map((each) => ({
              cells: [
                h(Moment, { at: each.at }),
                each.from_version ?? "nothing",
                each.to_version ?? "nothing",
                each.by,
                each.why,
              ],
              key: each.seq,
            })),
          }),
        ),
  );
}

const NoModel = ({ dags }) =>
  h(
    Notice,
    { title: "This DAG has no model" },
    dags.length === 0
      ? "No model has a DAG yet."
      : h(
          Fragment,
          null,
          "These have one: ",
          dags.map((each) => h(ui.Link, { as: PageLink, key: each, mr: 2, to: `/dags/${each}/plugin/retrain-model` }, each)),
        ),
  );
