"""What a person sees in a browser."""

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import visibility_of_element_located
from selenium.webdriver.support.wait import WebDriverWait

from stack.local import Running

DAG = "retrain_breast_cancer"


def _log_in(browser: Chrome, stack: Running) -> None:
    browser.get(stack.airflow_url)
    browser.find_element(By.NAME, "username").send_keys(stack.user)
    browser.find_element(By.NAME, "password").send_keys(stack.password)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


def _text(browser: Chrome, text: str) -> WebElement:
    """The element with this text; waits until it can be seen."""
    place = (By.XPATH, f"//*[normalize-space(text())='{text}']")
    return WebDriverWait(browser, 30).until(visibility_of_element_located(place))


def test_the_trigger_form_offers_what_a_run_may_be_told(browser: Chrome, stack: Running) -> None:
    _log_in(browser, stack)
    _text(browser, "Dags")
    browser.get(f"{stack.airflow_url}/dags/{DAG}")
    _text(browser, "Trigger").click()
    for text in ("Ignore the threshold", "Dry run", "Candidates to train", "Note", "logistic", "boosted"):
        _text(browser, text)


def test_the_page_of_a_dag_shows_its_tasks(browser: Chrome, stack: Running) -> None:
    _log_in(browser, stack)
    _text(browser, "Dags")
    browser.get(f"{stack.airflow_url}/dags/{DAG}/tasks")
    for task in ("sense", "take", "check", "evaluate", "promote", "hold", "tell"):
        _text(browser, task)
