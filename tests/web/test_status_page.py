"""The status page of the running app: who may see it, in what form, and how it looks in a real browser."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from localazure.demo.browser import NoBrowserError, chromium
from spot_responder.intake.azure_errors import FailureKind
from tests.harness.operators_laptop import TAG, OperatorsLaptop, operators_laptop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from localazure.laptop import Laptop


BROWSERS: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
EVIL: Final = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorsLaptop]:
    """Start the laptop Azure, with a VM that waits for capacity and one that Azure refuses in evil words."""
    with operators_laptop(tmp_path_factory.mktemp("status")) as running:
        for name, code in (("ci-1", "AllocationFailed"), ("render-4", "ScopeLocked")):
            running.move(partial(refuse_and_evict, name, code))
            running.until_row(name, "refused", lambda row: row.attempt is not None and row.attempt.failure is not None)
        yield running


def refuse_and_evict(name: str, code: str, laptop: Laptop) -> None:
    """Add a VM that Azure takes away, and will not start again."""
    laptop.world.add_vm(name, size=f"Standard_{name}", tags=TAG)
    laptop.world.refuse_next_start(name, code, EVIL, HTTPStatus.INTERNAL_SERVER_ERROR)
    laptop.world.evict(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser once; without one the tests are skipped, but in CI."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium())
        except NoBrowserError as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
        yield running


def address(azure: OperatorsLaptop) -> str:
    """Give the page's address, with its key."""
    return f"{azure.laptop.host.url}/api/status?code={azure.laptop.host.function_key}"


def get(url: str, **headers: str) -> tuple[int, str, str]:
    """Ask as a program does; give status, media type and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, headers=named), timeout=30) as answer:  # noqa: S310 - our own loopback
            return answer.status, answer.headers.get_content_type(), answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read().decode()


def opened(browser: Browser, azure: OperatorsLaptop, **context: Any) -> Page:  # noqa: ANN401 - Playwright's options
    """Open the page as a person does."""
    page = browser.new_context(**context).new_page()
    answer = page.goto(address(azure))
    assert answer is not None
    assert answer.status == HTTPStatus.OK
    return page


def test_a_program_gets_what_status_gives_as_json(azure: OperatorsLaptop) -> None:
    """The same truth as the command's, whatever else is accepted or nothing said."""
    told = json.loads(azure.operator("status", "--json").out)
    # What changes from one moment to the next: the time, and how many messages there are.
    passing = {"at": "", "queues": {}}
    for accept in ("application/json", "*/*", "image/png", ""):
        status, media_type, body = get(address(azure), Accept=accept)
        assert (status, media_type) == (HTTPStatus.OK, "application/json")
        seen = json.loads(body)
        assert {**seen, **passing} == {**told, **passing}
        assert seen["queues"].keys() == told["queues"].keys()
    assert {recovery["failure"] for recovery in seen["recoveries"]} == {FailureKind.CAPACITY, FailureKind.DENIED}


def test_a_browser_gets_a_page_and_nothing_may_be_loaded_into_it(azure: OperatorsLaptop) -> None:
    """HTML, not to be cached, and the address with its key goes nowhere."""
    status, media_type, body = get(address(azure), Accept=BROWSERS)
    assert (status, media_type) == (HTTPStatus.OK, "text/html")
    assert "<script" not in body
    with urlopen(Request(address(azure), headers={"Accept": BROWSERS}), timeout=30) as answer:  # noqa: S310
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_without_the_key_nobody_sees_anything(key: str | None, azure: OperatorsLaptop) -> None:
    """401 and an empty body, as Azure answers."""
    url = f"{azure.laptop.host.url}/api/status" + ("" if key is None else f"?code={key}")
    status, _, body = get(url, Accept=BROWSERS)
    assert (status, body) == (HTTPStatus.UNAUTHORIZED, "")


def test_the_key_may_come_in_a_header(azure: OperatorsLaptop) -> None:
    """So that it stands in no address."""
    key = azure.laptop.host.function_key
    assert get(f"{azure.laptop.host.url}/api/status", x_functions_key=key)[0] == HTTPStatus.OK


def test_a_person_reads_what_is_wrong_and_what_comes_next(azure: OperatorsLaptop, browser: Browser) -> None:
    """In Chromium: the headline first, both VMs, the closed pool, and the charts."""
    page = opened(browser, azure)
    text = page.inner_text("body")
    assert page.inner_text(".headline") == "1 thing needs somebody"
    assert ".venv/bin/spot-responder explain render-4" in text
    assert "next look" in text
    assert "closed until" in text
    assert page.locator("svg").count() == 3
    assert page.title() == "1 thing needs somebody · Spot Responder"


def test_evil_words_of_azure_are_words(azure: OperatorsLaptop, browser: Browser) -> None:
    """They are shown as they came; nothing of them runs, and no element is made of them."""
    page = opened(browser, azure)
    assert EVIL in page.inner_text("body")
    assert (page.locator("script").count(), page.locator("img").count()) == (0, 0)
    assert "owned" not in page.title()


LETTER_PX = "chart => 12 * chart.getBoundingClientRect().width / chart.viewBox.baseVal.width"
OVERHANG_PX = """chart => { const box = chart.getBoundingClientRect();
    return Math.max(...[...chart.querySelectorAll("text")].map(text => { const one = text.getBoundingClientRect();
        return Math.max(box.left - one.left, one.right - box.right) })) }"""


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_it_fits_a_phone_and_a_desk(width: int, azure: OperatorsLaptop, browser: Browser) -> None:
    """Nothing is wider than the window."""
    page = opened(browser, azure, viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator("svg").all():
        assert chart.evaluate(LETTER_PX) > 10
        assert chart.evaluate(OVERHANG_PX) <= 0


def test_it_is_light_by_day_and_dark_by_night(azure: OperatorsLaptop, browser: Browser) -> None:
    """As the reader's system is."""
    shades = []
    for scheme in ("light", "dark"):
        page = opened(browser, azure, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")))
    light, dark = shades
    assert light > 3 * 200
    assert dark < 3 * 60


def test_it_needs_no_script(azure: OperatorsLaptop, browser: Browser) -> None:
    """With scripts off all is there."""
    page = opened(browser, azure, java_script_enabled=False)
    assert "ci-1" in page.inner_text("body")
