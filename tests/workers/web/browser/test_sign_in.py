"""A person at a real browser signs in, and is kept out."""

import pytest

from helpers.browser import Browser
from helpers.page_server import WebProcess

pytestmark = pytest.mark.slow  # a browser takes seconds


def test_a_link_signs_in_and_its_secret_leaves_the_address(browser: Browser, web: WebProcess) -> None:
    browser.open(web.link())

    browser.wait_for("live since", "#liveness")
    assert browser.driver.current_url == f"{web.address}/"
    assert "web" in browser.text("main")
    assert browser.run("return document.cookie") == "", "no script reads the cookie"
    assert browser.errors() == []
