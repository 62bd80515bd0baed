"""A model's DAG in a browser."""

from playwright.sync_api import expect

from tests.e2e.conftest import Open

DAG = "retrain_breast_cancer"


def test_the_trigger_form_offers_the_parameters_of_a_run(open_page: Open) -> None:
    page = open_page(f"/dags/{DAG}")
    page.get_by_text("Trigger", exact=True).click()
    for text in ("Ignore the threshold", "Dry run", "Candidates to train", "Note", "logistic", "boosted"):
        expect(page.get_by_role("dialog")).to_contain_text(text)


def test_the_page_of_a_dag_shows_its_tasks(open_page: Open) -> None:
    page = open_page(f"/dags/{DAG}/tasks")
    for task in ("sense", "snapshot", "check", "evaluate", "promote", "hold", "notify"):
        expect(page.get_by_text(task, exact=True).first).to_be_visible()
