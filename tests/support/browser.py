"""A real browser without a screen: pages as people see them, in light and dark, at any width."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.support.machine import find

Scheme: TypeAlias = Literal["light", "dark"]

_FLAGS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
    *("hide-scrollbars", "force-prefers-reduced-motion"),
)


class Browser:
    """A browser that is running."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        """Take a driver's session."""
        self._driver = driver

    def show(self, page: Path, width: int = 1400, scheme: Scheme = "light") -> None:
        """Open a file as a page of some width (CSS pixels)."""
        self.look(width, scheme)
        self.problems()
        self.requests()
        self._driver.get(page.as_uri())

    def look(self, width: int, scheme: Scheme = "light", height: int = 900) -> None:
        """Change the width of the window, and whether light or dark is preferred."""
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def run(self, script: str, *args: Any) -> Any:
        """Run a function's body in the page; returns what it returns."""
        return self._driver.execute_script(script, *args)

    def problems(self) -> list[str]:
        """Return what the console complained of since the last time, violations of policies too."""
        return [f"{entry['level']}: {entry['message']}" for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last time."""
        found = []
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def _log(self, name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._driver.get_log(name)  # type: ignore[no-untyped-call]
        return entries

    def wait(self, script: str, seconds: float = 20) -> None:
        """Wait until a function's body returns something true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, script
            time.sleep(0.02)

    def scripts(self, *, allowed: bool) -> None:
        """Let scripts of the pages that are opened from now on run, or not."""
        value = {"value": not allowed}
        self._driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", value)

    def text(self) -> str:
        """Return what can be read on the page."""
        return self._driver.find_element("tag name", "body").text

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write a screenshot as PNG, of the whole page or of what is seen first."""
        taken = self._driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": whole}
        )
        file.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile directory."""
    options = Options()
    options.binary_location = find("chromium") or ""
    for flag in _FLAGS:
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(find("chromedriver")))
    try:
        driver.get("about:blank")  # instead of the browser's own first page
        yield Browser(driver)
    finally:
        driver.quit()
