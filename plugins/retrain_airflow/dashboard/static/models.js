// The page in the navigation: a card for each model, and the faults of the specs that make no DAG.
import { ModelCard } from "./card.js";
import { usePolled } from "./hooks.js";
import { Known, Notice } from "./parts.js";
import { h, ui } from "./react.js";

const EVERY = 30;

export function ModelsPage() {
  const specs = usePolled("specs/", EVERY);
  return h(
    ui.Box,
    { "data-retrain": "models", p: 4 },
    h(ui.Heading, { as: "h1", mb: 4, size: "xl" }, "Models"),
    h(Known, { of: specs, what: "The list of models" }, ({ faults, specs: found }) =>
      h(
        ui.Stack,
        { gap: 4 },
        faults.map((fault) => h(Notice, { key: fault, status: "error", title: "A spec makes no DAG" }, fault)),
        found.length === 0 && faults.length === 0 && h(NoModels),
        h(
          ui.SimpleGrid,
          { alignItems: "stretch", columns: { base: 1, xl: 2 }, gap: 4 },
          found.map(({ model }) => h(ModelCard, { key: model, model })),
        ),
      ),
    ),
  );
}

const NoModels = () =>
  h(
    Notice,
    { title: "No model yet" },
    "Write a spec file into include/specs, with a model's name, its source and one candidate: see “Your own model” " +
      "in the README. Its DAG appears within half a minute.",
  );
