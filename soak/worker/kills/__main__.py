"""``python -m soak.worker.kills`` (``make kills-worker``): real workers on Azurite, killed again and again amid jobs.

A worker dies (SIGKILL) right before or right after a marked request, its function's process dies, or the whole worker
stands still until its lease has run out and another has the job. The result goes into ``.local/kills-worker.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import shutil
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient
from spot_worker.deciding.names import poison_queue

from localazure.laptop import REPOSITORY
from localazure.runtime.azurite import ACCOUNT, azurite
from localazure.runtime.certificate import write_certificate
from localazure.runtime.processes import NotAloneError, StartError, alone
from soak.command_line import say, seed_or_any, write_report
from soak.worker.kills.judge import Findings, judge
from soak.worker.kills.killed_worker import CHILD, FREEZE, NOTICED, RANDOM, TERMINATED, KilledWorker, Point
from soak.worker.kills.killing_proxy import Asked, KillingProxy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from soak.worker.kills.killing_proxy import Written

FOLDER: Final = REPOSITORY / ".local"
QUEUE: Final = "kills"
RESULTS: Final = "killsresults"
_CALM_S: Final = 300.0
_WITH_A_NEXT_STEP: Final = 0.25
_FEWEST_JOBS: Final = 24
_STEPS: Final = (2, 3, 5, 8, 8, 40)
"""The last one works for longer than a third of the lease, which is renewed then."""
_LOOK_S: Final = 1.0
_PYTHON: Final = sys.executable


@dataclass(frozen=True, slots=True)
class Plan:
    """So many workers, and a kill at each of these points."""

    workers: int
    points: Sequence[Point]


def _marked(times: int) -> list[Point]:
    kinds = [asked for asked in Asked if asked not in {Asked.OTHER, Asked.PUT}]
    return [Point(asked, is_after=is_after) for asked in kinds for is_after in (False, True) for _ in range(times)]


WHOLE: Final = Plan(
    3, (*_marked(7), *(16 * [CHILD]), *(12 * [FREEZE]), *(18 * [RANDOM]), *(8 * [NOTICED]), *(8 * [TERMINATED]))
)
"""Two hundred kills, and sixteen workers that may end in order."""


@dataclass(slots=True)
class _Story:
    folder: Path
    chance: Random
    points: list[Point]
    stack: AsyncExitStack
    submitted: dict[str, bool] = field(default_factory=dict)
    """The jobs, and whether each submits a next one."""
    kills: Counter[str] = field(default_factory=Counter)
    written: list[Written] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """Where the functions write what they saw."""
        return self.folder / "functions.jsonl"


async def play(folder: Path, plan: Plan, seed: int) -> Findings:
    """Let workers die at each point of the plan while they work; then let them work in peace, and judge."""
    chance = Random(seed)  # noqa: S311 - no secret
    points = list(plan.points)
    chance.shuffle(points)
    async with AsyncExitStack() as stack:
        story = _Story(folder, chance, points, stack)
        certificate = write_certificate(folder / "certificates")
        key = secrets.token_bytes(64)
        storage = await stack.enter_async_context(azurite(None, certificate, key))

        async def connected(worker: KilledWorker | None, name: str) -> tuple[KillingProxy, str]:
            kill = worker.kill if worker else _nobody
            proxy = KillingProxy(name, kill, story.written.append, RESULTS)
            addresses = await stack.enter_async_context(proxy.serves(storage, certificate.client_context()))
            words = {"DefaultEndpointsProtocol": "http", "AccountName": ACCOUNT}
            words |= {"AccountKey": base64.b64encode(key).decode(), **addresses}
            return proxy, ";".join(f"{name}={value}" for name, value in words.items())

        _, connection = await connected(None, "operator")
        await _submit(story, connection)
        async with asyncio.TaskGroup() as group:
            group.create_task(_feed(story, connection))
            for number in range(plan.workers):
                worker = KilledWorker(f"vm-{number + 1}", folder, story.log, QUEUE, RESULTS, chance)
                worker.proxy, worker.connection = await connected(worker, worker.name)
                group.create_task(_let_die(story, worker, plan))
        rows = json.loads(await operate(connection, "results", "--results", RESULTS, "--json"))
        poison = await _given_up(connection)
        lines = [json.loads(line) for line in story.log.read_text("utf-8").splitlines()]
    return judge(story.submitted, rows, poison, lines, story.written, story.kills, story.orphans)


async def _let_die(story: _Story, worker: KilledWorker, plan: Plan) -> None:
    """Let one worker die at one point after the other, and then work until nothing is left."""
    try:
        while story.points:
            point = story.points.pop()
            if not await worker.dies_at(point):
                say(f"{worker.name} did not come to where it should die: {point}")
                point = RANDOM
                await worker.dies_at(point)
            story.kills[str(point)] += 1
            say(f"{story.kills.total():3} of {len(plan.points)}  {worker.name} died {point}")
        await asyncio.wait_for(worker.works_until_empty(), _CALM_S)
    finally:
        await worker.ends()
        story.orphans += worker.orphans


async def _feed(story: _Story, connection: str) -> None:
    """See to it that there is work as long as workers are killed."""
    while story.points:
        ended = {one.job_id for one in story.written if one.pointer["outcome"]}
        if len(story.submitted.keys() - ended) < _FEWEST_JOBS:
            await _submit(story, connection)
        await asyncio.sleep(_LOOK_S)


async def _submit(story: _Story, connection: str) -> None:
    """Submit jobs, some with a next step."""
    file, chance = story.folder / "jobs.jsonl", story.chance
    bodies = [
        {
            "steps": chance.choice(_STEPS),
            "queue": QUEUE,
            **({"then": 2} if chance.random() < _WITH_A_NEXT_STEP else {}),
        }
        for _ in range(_FEWEST_JOBS)
    ]
    file.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
    told = json.loads(await operate(connection, "submit", "--queue", QUEUE, "--json", str(file)))
    story.submitted |= {job_id: "then" in body for job_id, body in zip(told["submitted"], bodies, strict=True)}


async def _given_up(connection: str) -> list[dict[str, Any]]:
    """Give the messages of the poison queue."""
    async with QueueClient.from_connection_string(connection, poison_queue(QUEUE)) as queue:
        try:
            return [json.loads(message.content) for message in await queue.peek_messages(max_messages=32)]
        except ResourceNotFoundError:
            return []


async def operate(connection: str, *words: str) -> str:
    """Run a command of spot-worker; give what it printed."""
    process = await asyncio.create_subprocess_exec(
        _PYTHON,
        "-m",
        "spot_worker",
        *words,
        env={"AZURE_STORAGE_CONNECTION_STRING": connection},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, problem = await process.communicate()
    if process.returncode:
        message = f"spot-worker {words[0]} gave {process.returncode}: {problem.decode()[-400:]}"
        raise StartError(message)
    return told.decode()


def _nobody() -> None:
    """Kill nobody: an operator's command is let live."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test. Exit code 0 if every promise held, 1 if one was broken or Azurite did not come up."""
    parser = argparse.ArgumentParser(prog="python -m soak.worker.kills", description="Kill workers amid their jobs.")
    parser.add_argument("--seed", type=int, default=None, help="of what is left to chance")
    given = parser.parse_args(arguments)
    seed = seed_or_any(given.seed)
    say(f"{len(WHOLE.points)} kills, seed {seed}")
    folder = FOLDER / "kills-worker"
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    try:
        with alone(folder):
            found = asyncio.run(play(folder, WHOLE, seed))
    except (StartError, NotAloneError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    for line in found.broken:
        say(line)
    report: dict[str, Any] = {**found.report(), "seed": seed}
    write_report(FOLDER / "kills-worker.json", report)
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
