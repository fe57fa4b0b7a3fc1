"""Debian's Chromium, headless, driven by Playwright's Python client; no browser is downloaded.

``examples.py`` and ``commands.py`` take pictures of pages with it.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# Chromium's own errands are refused by a closed network, many at a time; and root has no sandbox.
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoBrowserError(RuntimeError):
    """There is no Chromium on this machine; the message says how to get one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, and end it.

    Raises:
        NoBrowserError: if there is none.
    """
    path = shutil.which("chromium")
    if path is None:
        message = "Chromium is missing: apt-get install chromium"
        raise NoBrowserError(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()
