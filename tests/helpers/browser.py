"""Debian's Chromium, driven by selenium. The tests that need it are skipped where it is missing."""

import contextlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from helpers.page_server import ServedPages
from helpers.support import eventually

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
_MISSING = [
    name
    for name, found in {
        "Chromium (Debian package chromium)": CHROMIUM,
        "its driver (Debian package chromium-driver)": DRIVER,
        "selenium": importlib.util.find_spec("selenium"),
    }.items()
    if not found
]
WHY_NO_BROWSER = f"needs {', '.join(_MISSING)}" if _MISSING else ""


class Browser:
    """One window of a browser, and what tests ask of it."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401 - selenium may be missing
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def text(self, selector: str = "body") -> str:
        """What a person reads there; empty if there is no such element."""
        found = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return str(found)

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON value
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, text: str, selector: str = "body") -> None:
        """Wait until a person reads that text there."""
        self.wait_until(lambda: text in self.text(selector), f"{text!r} in {selector}")

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        try:
            eventually(condition, what)
        except AssertionError as error:
            error.add_note(f"The browser is at {self.driver.current_url}, and complains of: {self.errors()}")
            raise

    def click(self, selector: str) -> None:
        """Click what is there. A swap may replace it between a look and the click, as under a person's hand."""
        from selenium.common.exceptions import StaleElementReferenceException

        def was_clicked() -> bool:
            try:
                self.driver.find_element("css selector", selector).click()
            except StaleElementReferenceException:
                return False
            return True

        self.wait_until(was_clicked, f"a click on {selector}")

    def type(self, selector: str, text: str) -> None:
        self.driver.find_element("css selector", selector).send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys where the focus is, such as ``Keys.TAB``."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def command(self, name: str, /, **parameters: object) -> Any:  # noqa: ANN401 - any JSON value
        """A command of Chromium's DevTools, such as ``Page.setWebLifecycleState``."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def take_cookies(self, address: str, cookies: Mapping[str, str]) -> None:
        """Be signed in there as somebody else is."""
        for name, value in cookies.items():
            self.command("Network.setCookie", url=address, name=name, value=value)

    def errors(self) -> list[str]:
        """What the browser has complained about since the last call, such as a script that the policy forbids."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def resize(self, width: int, height: int, *, is_phone: bool = False) -> None:
        """Show the page at that size. A headless window is at least 500 px wide, so the size is emulated."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )

    def use_color_scheme(self, scheme: str) -> None:
        """Ask for "dark" or "light"."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def look_elsewhere_and_back(self) -> None:
        """Show another tab, and then this one again."""
        own = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        self.driver.close()
        self.driver.switch_to.window(own)

    def screenshot(self, file: Path, *, whole_page: bool = True) -> None:
        if whole_page:
            height = int(self.run("return document.documentElement.scrollHeight"))
            self.resize(int(self.run("return innerWidth")), max(height, 200))
        file.write_bytes(self.driver.get_screenshot_as_png())

    def reset(self) -> None:
        """Forget what a test has left: cookies, and its tabs with all that it has set in them."""
        left = self.driver.window_handles
        self.driver.switch_to.new_window("tab")
        own = self.driver.current_window_handle
        for each in left:
            self.driver.switch_to.window(each)
            self.driver.close()
        self.driver.switch_to.window(own)
        self.command("Network.clearBrowserCookies")
        self.errors()


def show_page(browser: Browser, served: ServedPages) -> None:
    """Open the first page as the owner, and wait until it is live."""
    browser.take_cookies(served.address, served.client().cookies)
    browser.open(served.address)
    browser.wait_for("live since", "#liveness")


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window on the screen."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # root has none
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--window-size=1440,900",
        # A name of somebody else that points here, as in DNS rebinding.
        "--host-resolver-rules=MAP attacker.example 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
