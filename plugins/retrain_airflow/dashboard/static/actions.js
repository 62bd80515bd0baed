// The buttons that the caller's permissions allow. The dialog of each says what will happen.
import { path, post } from "./api.js";
import { Confirmed } from "./confirmed.js";
import { h, ui } from "./react.js";
import { number } from "./words.js";

export function Actions({ look, spec }) {
  const start = (conf) => ({ note }, key) =>
    post(path("specs", spec.model, "cycles"), { ignore_threshold: true, ...conf, ...(note ? { note } : {}) }, key);
  const note = { label: "Note, for the runs in MLflow", name: "note" };
  if (!spec.may.includes("log") && !spec.may.includes("promote") && !spec.may_adopt) return null;
  return h(
    ui.HStack,
    { gap: 2, wrap: "wrap" },
    spec.may.includes("log") && [
      h(Confirmed, { does: `${rows(spec)} ${then(spec)}`, fields: [note], key: "retrain", look, name: "Retrain now", run: start({}) }),
      h(Confirmed, {
        does: `${rows(spec)} The best candidate is judged, but nothing changes: no version is registered, and no row counts as used.`,
        fields: [note],
        key: "dry",
        look,
        name: "Dry run",
        run: start({ dry_run: true }),
        variant: "outline",
      }),
    ],
    spec.may_roll_back && spec.were_in_production.length > 0 && h(RollBack, { look, spec }),
    spec.may_freeze && h(Freeze, { look, spec }),
    spec.may_adopt && h(Adopt, { look, spec }),
  );
}

function Freeze({ look, spec }) {
  const own = spec.freeze?.model === spec.model && spec.freeze.split === null;
  const days = [1, 2, 3, 7, 14, 30].map((each) => ({ label: each === 1 ? "one day" : `${each} days`, value: each }));
  const why = { label: "Why", name: "why", required: true };
  return h(Confirmed, {
    does: own
      ? "From now on verdicts and people may put versions into Production again. The team is told, with your reason."
      : "No verdict and no person puts another version into Production until then; a rollback works. The team is told, with your reason.",
    fields: own ? [why] : [{ label: "For", name: "days", options: days }, why],
    key: own ? "end" : "begin",
    look,
    name: own ? "End the freeze" : "Freeze",
    run: ({ days = 0, why }, key) => post(`${path("models", spec.model)}/freeze`, { days: Number(days), why }, key),
    variant: "outline",
  });
}

function Adopt({ look, spec }) {
  const is = [
    { label: "Production: adopt it", value: "production" },
    { label: "not Production: go on without it", value: "none" },
  ];
  const formats = ["", "skops", "cloudpickle", "pickle"].map((each) => ({ label: each || "I have not seen them yet", value: each }));
  return h(Confirmed, {
    does:
      "For a version that serves already, and that Retrain did not log. A run of retrain-adopt starts. Without format and " +
      "digest it only says, in the log of its task, what they are; press here again with both if you trust these files. Then " +
      "they are loaded in a process without logins, and must score rows of the source.",
    fields: [
      { label: "What the registry shows is", name: "is", options: is },
      { label: "Version, if not the one that looks like Production", name: "version" },
      { label: "Format of its files, as the run has said", name: "format", options: formats },
      { label: "Digest of its files, as the run has said", name: "digest" },
      { label: "Why", name: "why", required: true },
    ],
    look,
    name: "Adopt",
    run: ({ is, why, ...files }, key) =>
      post(
        `${path("models", spec.model)}/adopt`,
        is === "none" ? { none: true, why } : { why, ...Object.fromEntries(Object.entries(files).filter(([, value]) => value)) },
        key,
      ),
    variant: "outline",
  });
}

function RollBack({ look, spec }) {
  const fields = [
    {
      label: "Back to",
      name: "to",
      options: spec.were_in_production.map((each) => ({ label: `version ${each}`, value: each })),
    },
    { label: "Why", name: "why", required: true },
  ];
  return h(Confirmed, {
    does:
      `Version ${spec.production} leaves Production at once, and the version that you choose goes back there, after a check ` +
      `that it loads and scores rows. The team is told, with your reason. A version that was taken back must win again, on ` +
      `later rows.${others(spec)}`,
    fields,
    look,
    name: "Roll back",
    run: ({ to, why }) => post(`${path("models", spec.model)}/rollback`, { expects: spec.production, to, why }),
    variant: "outline",
  });
}

function others({ cannot_go_back }) {
  if (cannot_go_back.length === 0) return "";
  return ` Not to choose from: version ${cannot_go_back.join(", ")}, which Retrain did not log and nobody adopted.`;
}

function rows({ candidates, rows_needed, rows_waiting }) {
  const waiting = rows_waiting === null ? "the new rows" : `${number(rows_waiting)} new rows (the spec asks for ${number(rows_needed)})`;
  const trained = candidates.length === 1 ? "one candidate" : `${candidates.length} candidates`;
  return `A run starts now with ${waiting}, and trains ${trained} on all rows.`;
}

function then({ approval, freeze, mode, production }) {
  if (mode === "observe") return "The verdict is announced and changes nothing: the spec’s mode is observe.";
  if (freeze) return "The verdict is announced and changes nothing: Production is frozen.";
  const place = production === null ? "" : ` in place of version ${production}`;
  return approval
    ? `If the best candidate proves to be better, a person must approve before it goes into Production${place}.`
    : `If the best candidate proves to be better, it goes into Production at once${place}.`;
}
