// Small components that several panels use.
import { Fragment, h, ui } from "./react.js";
import { ago, time } from "./words.js";

// Outcomes differ in shape and in colour (the colours of Okabe and Ito, as in the plots).
export const OUTCOMES = {
  HOLD: { colour: "#E69F00", sign: "=", words: "Hold" },
  INCONCLUSIVE: { colour: "#999999", sign: "?", words: "Inconclusive" },
  PROMOTE: { colour: "#0072B2", sign: "▲", words: "Promote" },
};
// Why a verdict is HOLD.
const CAUSES = {
  anchor: "not shown to keep up with the anchor",
  guard: "a guard has failed",
  undecided: "undecided",
  worse: "shown to be worse",
};
export const result = ({ cause, matchup, outcome }) =>
  `${OUTCOMES[outcome].words}${cause == null ? "" : ` (${CAUSES[cause]})`}${matchup.dry_run ? " (dry run)" : ""}`;
export const BLUE = "#0072B2";
export const VERMILION = "#D55E00";

export const Moment = ({ at }) => h("time", { dateTime: at, title: time(at) }, ago(at));

export function Notice({ children, status = "info", title }) {
  return h(
    ui.Alert.Root,
    { size: "sm", status },
    h(ui.Alert.Indicator),
    h(ui.Alert.Content, null, title && h(ui.Alert.Title, null, title), h(ui.Alert.Description, null, children)),
  );
}

// The last value stays visible; a problem is shown above it.
export function Known({ children, of, what }) {
  const { at, problem, value } = of;
  return h(
    Fragment,
    null,
    problem &&
      h(
        Notice,
        { status: "warning", title: `${what}: no answer` },
        `${problem.message}.`,
        at && ` The values below are from ${time(at)}.`,
      ),
    value === null
      ? !problem && h(ui.Skeleton, { "aria-label": `${what}: loading`, height: "6rem", role: "status" })
      : children(value),
  );
}

export const Section = ({ children, title }) =>
  h(
    ui.Box,
    { as: "section", mt: 4 },
    h(ui.Heading, { as: "h3", mb: 2, size: "sm" }, title),
    children,
  );

export function Rows({ caption, columns, rows }) {
  return h(
    ui.Box,
    { overflowX: "auto", role: "region", "aria-label": caption, tabIndex: 0 },
    h(
      ui.Table.Root,
      { size: "sm" },
      h(
        ui.Table.Header,
        null,
        h(
          ui.Table.Row,
          null,
          columns.map((each) => h(ui.Table.ColumnHeader, { key: each, scope: "col" }, each)),
        ),
      ),
      h(
        ui.Table.Body,
        null,
        rows.map(({ cells, key }) =>
          h(
            ui.Table.Row,
            { key },
            cells.map((cell, place) => h(ui.Table.Cell, { key: columns[place], maxW: "28rem", overflowWrap: "break-word" }, cell)),
          ),
        ),
      ),
    ),
  );
}
