// How Production does on rows that are labelled later: now against its promise, in words, and cohort by cohort.
import { path } from "./api.js";
import { usePolled } from "./hooks.js";
import { LaterChart } from "./later_chart.js";
import { Known, Notice } from "./parts.js";
import { Fragment, h, ui, useEffect } from "./react.js";
import { Trials } from "./trial.js";
import { date, number, score, signed } from "./words.js";

const EVERY = 60;

export function LaterRows({ model, production }) {
  const later = usePolled(path("specs", model, "live"), EVERY);
  const { look } = later;
  useEffect(() => {
    look();
  }, [production, look]);
  return h(Known, { of: later, what: "Later rows" }, (live) => h(Fragment, null, live.cohort !== null && h(Panel, { live }), h(Trials, live)));
}

function Panel({ live }) {
  const scored = live.cohorts.filter((each) => each.score !== null);
  return h(
    ui.Box,
    { "aria-label": "On later rows", as: "section" },
    h(ui.Heading, { as: "h3", mb: 1, size: "sm" }, "On later rows"),
    live.alarms.length > 0 && h(Alarms, { live }),
    live.expected !== null && h(ui.Text, { color: "fg.muted", fontSize: "sm" }, expected(live)),
    scored.length === 0
      ? h(ui.Text, { color: "fg.muted", fontSize: "sm" }, nothing(live))
      : h(Fragment, null, h(ui.Text, { fontSize: "sm" }, now(live, scored.at(-1)), trend(live)), scored.length > 1 && h(LaterChart, { live, scored })),
  );
}

function Alarms({ live }) {
  return h(
    Notice,
    { status: "error", title: "Production does worse than was promised" },
    live.alarms.map((each) =>
      h(
        "p",
        { key: each.scan },
        `It has lost ${score(each.lost)}, more than ${each.margin} beyond chance, on the ${number(each.rows)} rows since ${date(each.since)}: ` +
          `${live.metric} ${score(each.score)}, promised ${score(each.promised)}${each.scan === "anchor" ? " by the gate’s anchor" : ""}.`,
      ),
    ),
  );
}

function nothing({ cohorts, metric, promised }) {
  const why = cohorts.length === 0 ? "None has been scored yet." : `${metric} is not defined on them yet.`;
  return promised === null ? why : `${why} Promised: ${metric} ${score(promised)}.`;
}

function now(live, newest) {
  const of = live.now !== null && live.now.score !== null ? live.now : newest;
  const when = of === newest && newest.open ? `so far, since ${date(newest.begins)}` : `on the last ${number(of.rows)} rows`;
  const interval = of.interval === null ? "" : ` (95%: ${range(of.interval)})`;
  const said = `Now: ${live.metric} ${score(of.score)}${interval} ${when}`;
  // A score of a version before is not held to the promise of the one that is there now.
  if (live.promised === null || (of === newest && newest.version !== live.promises.at(-1)?.version)) return `${said}.`;
  return `${said}: ${against(live, of.score)}.`;
}

function against({ greater_is_better, promised }, found) {
  const gain = (greater_is_better ? 1 : -1) * (found - promised);
  const how = score(Math.abs(gain)) === score(0) ? "as" : `${score(Math.abs(gain))} ${gain < 0 ? "worse" : "better"} than`;
  return `${how} promised (${score(promised)})`;
}

function expected({ expected: found, metric }) {
  return `Estimated, before labels come: ${metric} ${score(found.estimate)} (95%: ${range(found.interval)}) on the ${number(found.rows)} rows since ${date(found.since)}. It does not see labels that have changed.`;
}

function trend({ trend: found }) {
  if (found === null) return "";
  const since = `since ${date(found.since)}`;
  const [low, high] = found.interval;
  return low <= 0 && high >= 0
    ? ` No change beyond chance ${since}.`
    : ` It has changed by ${signed(found.change)} ${since} (95%: ${signed(low)} to ${signed(high)}).`;
}

const range = ([low, high]) => `${score(low)} to ${score(high)}`;
