"""Draws the README's pictures from the real pages: `make demo && make up && .venv/bin/python docs/images/pages.py`.

`dashboard.png` is the dashboard, `cycle.png` the last cycle of the demo in Airflow.
"""

import sys
from contextlib import closing
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1]))

from docs.images.browser import page as browser_page  # noqa: E402
from stack import local  # noqa: E402
from stack.airflow_api import AirflowApi  # noqa: E402
from stack.home import Home  # noqa: E402

DAG = "retrain_cover_letters"


def main() -> None:
    stack = local.running_at(Home.at())
    with closing(AirflowApi(stack)) as api:
        judged = [run for run, _ in api.runs(DAG) if api.result(DAG, run, "evaluate")]
    with browser_page(1440, 760, stack.airflow_url) as page:
        page.context.add_cookies([{"name": "_token", "value": stack.token, "url": stack.airflow_url}])
        page.goto("/plugin/retrain")
        page.get_by_role("article", name="CoverLetterClassifier").get_by_role("figure").wait_for()
        page.screenshot(path=FOLDER / "dashboard.png")
        page.goto(f"/dags/{DAG}/runs/{judged[-1]}/?dag_run_id={judged[-1]}")
        page.get_by_role("button", name="Graph").or_(page.get_by_label("Show Graph")).first.click()
        page.get_by_text("evaluate", exact=True).last.wait_for()
        page.wait_for_timeout(3_000)  # until the graph stands still
        page.screenshot(path=FOLDER / "cycle.png")


if __name__ == "__main__":
    main()
