"""A page on a run in MLflow: `report/report.html` is one file, and `report/report.md` has its pictures beside it."""

import tempfile
from pathlib import Path

from retrain.reports.page import Page, write_html, write_markdown
from retrain.tracker.client import ExperimentTracker

FOLDER = "report"


def keep(tracker: ExperimentTracker, run_id: str, page: Page) -> None:
    """Write the page, replacing the one before."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as name:
        folder = Path(name)
        # Pictures are uploaded first, so that the Markdown page never lacks them.
        write_markdown(page, folder)
        write_html(page, folder)
        for file in sorted(folder.iterdir(), key=lambda file: (file.suffix != ".png", file.name)):
            tracker.log_artifact(run_id, file, FOLDER)


def fetch(tracker: ExperimentTracker, run_id: str, folder: Path, *, markdown: bool = False) -> Path:
    """Download the page of a run into this folder, which is made if needed; return its path.

    HTML, or Markdown with its pictures beside it. Raises NotFoundError if the run has none.
    """
    page = "report.md" if markdown else "report.html"
    names = [page]
    if markdown:
        below = [Path(each.path) for each in tracker.list_artifacts(run_id, FOLDER)]
        names += [path.name for path in below if path.suffix == ".png"]
    with tempfile.TemporaryDirectory(prefix="retrain-") as place:
        found = {name: tracker.download_artifact(run_id, f"{FOLDER}/{name}", Path(place)) for name in names}
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in found.items():
            (folder / name).write_bytes(path.read_bytes())
    return folder / page
