"""What several tests look at in the dashboard."""

from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def card(page: Page, model: str) -> Any:
    return page.get_by_role("article", name=model)


def faults(page: Page) -> list[str]:
    """Return the serious faults that axe-core finds in our part of the page, without Airflow's own parts."""
    found = Axe().run(page, context="[data-retrain]").response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")]
