// The last verdicts, the newest at the right: one mark each, with a text for mouse, keyboard and screen reader.
import { OUTCOMES, result } from "./parts.js";
import { h, ui } from "./react.js";
import { time } from "./words.js";

export function Strip({ verdicts }) {
  return h(
    ui.Box,
    { "aria-label": "Verdicts of the last cycles, the oldest first", as: "ol", display: "flex", flexWrap: "wrap", gap: 1, listStyleType: "none" },
    verdicts.toReversed().map((each) => h(Mark, { ...each, key: each.verdict.matchup.id })),
  );
}

function Mark({ judged_at, promotion, verdict }) {
  const { colour, sign } = OUTCOMES[verdict.outcome];
  const { candidate, dry_run } = verdict.matchup;
  const says = `${result(verdict)} ${candidate}, ${time(judged_at)}: ${verdict.reason}`;
  const put = promotion?.applied_at != null;
  return h(
    "li",
    null,
    h(
      ui.Tooltip.Root,
      { openDelay: 200 },
      h(
        ui.Tooltip.Trigger,
        { asChild: true },
        h(
          ui.Box,
          {
            "aria-label": says,
            alignItems: "center",
            background: put ? colour : "transparent",
            border: `2px ${dry_run ? "dashed" : "solid"} ${colour}`,
            borderRadius: "sm",
            boxSize: 6,
            color: put ? "white" : "fg",
            display: "inline-flex",
            fontSize: "xs",
            fontWeight: "bold",
            justifyContent: "center",
            role: "img",
            tabIndex: 0,
          },
          sign,
        ),
      ),
      h(ui.Portal, null, h(ui.Tooltip.Positioner, null, h(ui.Tooltip.Content, { maxW: "30rem" }, says))),
    ),
  );
}
