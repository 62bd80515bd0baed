"""The browser that draws the pictures of this folder: an installed Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

from playwright.sync_api import Page, sync_playwright

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


@contextmanager
def page(width: int, height: int, address: str | None = None) -> Iterator[Page]:
    """Open a page of this size in pixels. address: the base of relative addresses."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=[*_ARGUMENTS])
        yield browser.new_page(viewport={"width": width, "height": height}, base_url=address)
        browser.close()
