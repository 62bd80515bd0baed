// The bundle that Airflow's pages load (see pages.py): one component, which shows the panel of its place.
import { CyclePanel } from "./cycle.js";
import { ModelPanel } from "./model.js";
import { ModelsPage } from "./models.js";
import { h } from "./react.js";

globalThis.Retrain = function Retrain({ dagId, runId }) {
  if (runId) return h(CyclePanel, { dagId, dagRunId: runId });
  return dagId ? h(ModelPanel, { dagId }) : h(ModelsPage);
};
