"""The examples of the docs: a story on the laptop Azure, in the output of the operator's commands.

``python -m localazure examples`` plays it, writes what the commands print between the marks of the page, and takes the
README's picture of the status page. A test plays it too, and compares it with the page in shape: times, ids and numbers
differ from run to run.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from localazure.demo.as_operator import run_command
from localazure.demo.browser import chromium
from localazure.demo.jobs.as_team import submit
from localazure.demo.scenarios import TAG
from localazure.demo.work_queue.scenario import NAME, QUEUE, WORK_QUEUE
from localazure.deployed_storage import STORE
from localazure.laptop import REPOSITORY, laptop_azure
from localazure.world.durations import Durations
from localazure.world.machines import PowerState
from spot_responder.advised_command import CommandLine
from spot_responder.clients.tables import Tables
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import VmId
from spot_responder.intake.work_queue_names import WORK_TAG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import ViewportSize

    from localazure.laptop import Laptop
    from spot_responder.decisions.recoveries import Recovery

PAGE: Final = REPOSITORY / "docs" / "commands.md"
PICTURE: Final = REPOSITORY / "docs" / "status.png"
_WINDOW: Final[ViewportSize] = {"width": 880, "height": 600}
EVENT: Final = "tests/payloads/events/annotated_preempted_cloudevent.json"
ERROR: Final = "tests/payloads/errors/poll_allocation_failed.json"
PRICES: Final = "tests/payloads/prices/every_kind.json"
_SECOND: Final = timedelta(seconds=1)
_DURATIONS: Final = Durations(
    until_unavailable=0.3 * _SECOND,
    deallocation=_SECOND,
    start=2 * _SECOND,
    failed_start=0.5 * _SECOND,
    until_simulated_eviction=_SECOND,
)
_APP_SETTINGS: Final = {
    "SWEEP_SCHEDULE": "0 0 0 1 1 *",
    "LOOK_AGAIN_SECONDS": "1",
    "CAPACITY_RETRY_SECONDS": "600",
}
_PRICES: Final = {
    "Standard_D4as_v5": 0.0412,
    "Standard_D4s_v4": 0.0438,
    "Standard_D4s_v5": 0.0446,
    "Standard_E2s_v5": 0.0291,
    "Standard_E4s_v5": 0.0582,
    "Standard_F4s_v2": 0.0393,
}
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.1
_BLOCK: Final = re.compile(r"(<!-- example: ([a-z-]+) -->\n```\n)(.*?)(```\n)", re.DOTALL)
_SHAPES: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d( [A-Z+-]\S*)?)?"), "<time>"),
    (re.compile(r"\d\d:\d\d:\d\dZ?"), "<time>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8}\b|\b\d{8}\b"), "<id>"),
    (re.compile(r"\(in [^)]*\)|\([^)]* ago\)"), "<away>"),
    (re.compile(r"\b\d+ (min|h|d) \d+ (s|min|h)\b|\b\d+ s\b"), "<span>"),
    (re.compile(r"\b\d+(\.\d+)?\b"), "<number>"),
    # Whichever event came first.
    (re.compile(r",(evicted|eviction_noticed|unavailable),"), ",<told by>,"),
    # A stage that is over between two looks is not told.
    (re.compile(r"^\S+: the app .*, <span> after the eviction\n", re.MULTILINE), ""),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass
class _Story:
    """The laptop, and what was told so far, by the name of the example."""

    laptop: Laptop
    picture: Path | None = None
    told: dict[str, str] = field(default_factory=dict)

    async def show(self, name: str, *words: str) -> None:
        """Run a command, and keep what it printed."""
        done = await asyncio.to_thread(run_command, words, self.laptop.operator)
        self.told[name] = f"$ {CommandLine()(*words)}\n{done.err}{done.out}"

    async def look_at_the_page(self) -> None:
        """Take the picture of the status page, where one is wanted."""
        if self.picture is not None:
            host = self.laptop.host
            await asyncio.to_thread(_take, self.picture, f"{host.url}/api/status?code={host.function_key}")

    async def until(self, name: str, holds: Callable[[Recovery], bool]) -> None:
        """Wait until something holds of a VM's row."""
        rows = Tables(*(self.laptop.tables.get_table_client(table) for table in STORE))
        vm_id = VmId.parse(self.laptop.world.machine(name).vm_id)
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                row = (await rows.load(vm_id)).value
                if row and holds(row):
                    return
                await asyncio.sleep(_LOOK_S)


async def play(folder: Path, picture: Path | None = None) -> dict[str, str]:
    """Play the story; give what each example printed.

    Raises:
        NoBrowserError: if a picture is wanted, and nothing there can take it.
    """
    async with laptop_azure(folder, _APP_SETTINGS, _DURATIONS, work_queues=(WORK_QUEUE,)) as laptop:
        story = _Story(laptop, picture)
        _people(laptop)
        await _rehearse(story)
        await _suffer(story)
        await _act(story)
        await _have_work(story)
        return story.told


def _people(laptop: Laptop) -> None:
    """Put the VMs there."""
    world = laptop.world
    world.add_vm("build-1", size="Standard_F4s_v2", tags=TAG)
    world.add_vm("render-1", size="Standard_D4s_v5", tags=TAG)
    world.add_vm("render-2", size="Standard_D4s_v5", tags=TAG)
    world.add_vm("db-1", size="Standard_E2s_v5", tags=TAG, max_price=0.02)
    for size, price in _PRICES.items():
        world.set_price(size, "westeurope", price)
    world.add_vm("typo-1", size="Standard_B2s", tags={"AttemptRestartAfterEviction": "yes"})


async def _rehearse(story: _Story) -> None:
    await story.show("doctor", "doctor")
    await story.show("drill", "drill", "build-1")
    await story.show("history", "history", "--by", "size")
    await story.show("history-csv", "history", "--days", "7", "--csv")


async def _suffer(story: _Story) -> None:
    world = story.laptop.world
    world.set_capacity(world.machine("render-1").pool, 0)
    world.evict("render-1")
    world.stop_by_owner("db-1")
    await story.until("render-1", lambda row: row.failures.kind is FailureKind.CAPACITY)
    await story.until("db-1", lambda row: row.evidence.stopped_firmly_at is not None)
    await story.show("hold", "hold", "render-2")
    await story.show("status", "status")
    await story.look_at_the_page()
    await story.show("explain", "explain", "render-1")
    await story.show("explain-not-covered", "explain", "typo-1")
    await story.show("plan", "plan")
    await story.show("prices", "prices")
    await story.show("sizes", "sizes", "--like", "render-1")


async def _act(story: _Story) -> None:
    await story.show("release", "release", "render-2")
    await story.show("retry", "retry", "render-1")
    event = json.loads((REPOSITORY / EVENT).read_text(encoding="utf-8"))
    dead = {"deadletterreason": "TimeToLiveExceeded", "deliveryattempts": 8, "lastdeliveryoutcome": "Forbidden"}
    container = story.laptop.dead_letters.container
    await container.upload_blob("topic/subscription/2026/03/01/10/example.json", json.dumps([event | dead]))
    await story.show("replay-list", "replay", "list")
    letter = await asyncio.to_thread(run_command, ("replay", "list", "--json"), story.laptop.operator)
    letter_id = letter.content["messages"][0]["dead_letter"]["dead_letter_id"]
    await story.show("replay-requeue", "replay", "requeue", letter_id)
    await story.show("read-event", "read-event", EVENT)
    await story.show("read-error", "read-error", ERROR)
    asked = "--location westeurope --size Standard_D2s_v5 --os linux --at 2026-11-15T00:00:00Z"
    await story.show("read-prices", "read-prices", PRICES, *asked.split())


async def _have_work(story: _Story) -> None:
    story.laptop.world.add_vm("frame-1", tags={WORK_TAG: NAME}, power_state=PowerState.DEALLOCATED)
    await submit(story.laptop.work, QUEUE, 3, 1)
    await story.show("queues", "queues")


def blocks(page: str) -> dict[str, str]:
    """Give the examples that stand in a page."""
    return {match[2]: match[3] for match in _BLOCK.finditer(page)}


def filled(page: str, told: dict[str, str]) -> str:
    """Give a page with its examples told anew; one that the story does not tell is an error."""
    return _BLOCK.sub(lambda match: match[1] + told[match[2]] + match[4], page)


def shape(text: str) -> str:
    """Reduce what was printed to what does not change from run to run."""
    for pattern, word in _SHAPES:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _take(picture: Path, address: str) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport=_WINDOW, color_scheme="light")
        page.goto(address)
        page.screenshot(path=picture, full_page=True)


def run(folder: Path) -> int:
    """Play the story, write it into the page and take the picture."""
    told = asyncio.run(play(folder, PICTURE))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), told), encoding="utf-8")
    return 0
