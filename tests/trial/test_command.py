"""What may be said to the command ``trial``, and what a careful person is promised."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from localazure.trial.ground import open_beneath
from spot_responder.commands.trials.evidence import begin_evidence, write_whole
from spot_responder.terminal.results import StopError
from spot_responder.trial.journal import LAPTOP_JOURNAL
from spot_responder.trial.views.announcement import max_price
from tests.trial.harness.commanded import laptop, left_in, outcome, said_to_the_end
from tests.trial.harness.made_up import T

if TYPE_CHECKING:
    from collections.abc import Iterator

    from localazure.trial.ground import Ground


def _others(ground: Ground) -> dict[str, object]:
    """Give the VMs that no trial has created, as they are."""
    machines = [one for one in ground.world.machines() if "witness-" not in one.vm_id]
    return {one.vm_id: (len(one.conditions), one.tags, one.size, one.deleted_at) for one in machines}


def test_what_is_kept_the_next_trial_takes_away_and_nothing_else(tmp_path: Path) -> None:
    """The VM that was kept may cost as much as was said, and no more."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            others = _others(ground)
            code, said = await outcome(tmp_path / "here", "--keep", "--only", "G6", "--max-cost", "0.5")
            assert code == 0, said
            assert "It costs 0.50 USD at most" in said
            (kept,) = (one for one in ground.world.machines() if one.name.startswith("witness-"))
            assert kept.max_price == max_price(0.5)
            assert kept.deleted_at is None
            told = json.loads((tmp_path / "here" / ".local" / "trial.json").read_text(encoding="utf-8"))
            assert [(each["belief"], each["verdict"]) for each in told] == [("G6", "holds")]

            code, said = await outcome(tmp_path / "here", "--only", "R6")
            assert code == 0, said
            assert "Before that it takes away what an earlier trial has left" in said
            assert left_in(ground) == []
            assert _others(ground) == others

    asyncio.run(story())


def test_two_trials_of_one_day_have_evidence_of_their_own(tmp_path: Path) -> None:
    """The names say when each began, and that it was on the laptop."""

    async def story() -> None:
        folder = tmp_path / "here" / ".local"
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath):
            for belief in ("R6", "G9"):
                code, said = await outcome(tmp_path / "here", "--only", belief)
                assert code == 0, said
            files = sorted(folder.glob("trial-*.json"))
            assert all(re.fullmatch(r"trial-laptop-\d{4}-\d\d-\d\d-\d{6}\.json", each.name) for each in files)
            read = [json.loads(each.read_text(encoding="utf-8")) for each in files]
            assert [each["beliefs"][0]["belief"] for each in read] == ["R6", "G9"]
            assert [each["laptop"] for each in read] == [True, True]
            assert all("Times are Azure's" in each.with_suffix(".md").read_text(encoding="utf-8") for each in files)

    asyncio.run(story())


def test_where_the_evidence_cannot_be_written_nothing_is_created(tmp_path: Path) -> None:
    """Here its names are too long for the folder, though that of the record is not."""

    async def story() -> None:
        long = "/".join(["d" * 249] * 16 + ["d" * 63])
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            code, said = await outcome(tmp_path / "here", "--out", long)
            assert code == 1
            last = said.strip().splitlines()[-1]
            assert last.startswith("trial: the evidence cannot be written: ")
            assert last.endswith("give another folder, --out FOLDER. Nothing was created")
            assert left_in(ground) == []
            assert not [one for one in ground.world.machines() if one.name.startswith("witness-")]

    asyncio.run(story())


@pytest.mark.parametrize("more", [(), ("--take-away",)])
def test_where_the_record_cannot_be_written_a_line_says_what_to_do(more: tuple[str, ...], tmp_path: Path) -> None:
    """Without a record nothing could be taken away again, so nothing is begun."""

    async def story() -> None:
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            (tmp_path / "here" / "notes").write_text("mine", encoding="utf-8")
            code, said = await outcome(tmp_path / "here", "--out", "notes", *more)
            assert code == 1
            assert said.startswith("trial: the record of what a trial creates cannot be written: ")
            assert said.endswith("'notes'; give another folder, --out FOLDER. Nothing was begun\n")
            assert left_in(ground) == []

    asyncio.run(story())


def test_whose_record_is_lost_is_not_told_that_all_is_gone(tmp_path: Path) -> None:
    """By the record alone something is taken away: where it lists nothing, what to look for in the portal is said."""

    async def story() -> None:
        folder = tmp_path / "here"
        async with open_beneath(tmp_path) as beneath, laptop(folder, beneath) as ground:
            await outcome(folder, "--keep", "--only", "Q14")
            record = folder / ".local" / LAPTOP_JOURNAL
            whole = record.read_bytes()
            record.unlink()
            code, told = await said_to_the_end(folder, "--take-away")
            assert code == 0
            assert f".local/{LAPTOP_JOURNAL} lists nothing of this subscription, so nothing was looked for" in told
            assert "rg-spot-responder-trial-…" in told
            assert left_in(ground) != []

            record.write_bytes(whole)
            code, told = await said_to_the_end(folder, "--take-away")
            assert code == 0
            assert told.startswith("taken away: ")
            assert "lists nothing" not in told
            assert left_in(ground) == []

    asyncio.run(story())


def test_a_damaged_record_is_one_line_that_says_where_and_what_to_do(tmp_path: Path) -> None:
    """What its other lines name can be taken away meanwhile, and the damaged line stays."""

    async def story() -> None:
        journal = tmp_path / "here" / ".local" / LAPTOP_JOURNAL
        async with open_beneath(tmp_path) as beneath, laptop(tmp_path / "here", beneath) as ground:
            await outcome(tmp_path / "here", "--keep", "--only", "Q14")
            journal.write_text(f'["odd"]\n{journal.read_text(encoding="utf-8")}', encoding="utf-8")
            code, said = await outcome(tmp_path / "here", "--only", "R6")
            assert code == 1
            assert said.count("\n") == 1
            assert f"trial: .local/{LAPTOP_JOURNAL}, line 1: it is no object with one of" in said
            assert "Look in the portal for a resource group" in said
            assert left_in(ground) != []
            code, said = await outcome(tmp_path / "here", "--take-away")
            assert code == 1
            assert left_in(ground) == []
            assert journal.read_text(encoding="utf-8").startswith('["odd"]\n')

    asyncio.run(story())


@pytest.mark.parametrize("folder", [Path("a") / "file", Path("a")])
def test_evidence_that_cannot_be_begun_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    """And two runs that begin in one second have two names."""
    (tmp_path / "a").write_text("", encoding="utf-8")
    with pytest.raises(StopError, match="give another folder, --out FOLDER"):
        begin_evidence(tmp_path / folder, "watch", T, on_laptop=False)
    first, second = (begin_evidence(tmp_path / "b", "watch", T, on_laptop=False) for _ in range(2))
    assert first.data.name == "watch-2030-01-01-000000.json"
    assert second.data.name == "watch-2030-01-01-000001.json"
    assert "ended before it wrote" in first.page.read_text(encoding="utf-8")


def test_a_disk_that_is_full_has_no_half_a_file_of_evidence_left_on_it(tmp_path: Path) -> None:
    """What could not be put into its place is taken out again; what was there before stays."""
    place = tmp_path / "trial.json"
    place.write_text("before", encoding="utf-8")
    taken = place.with_name("trial.json.part")
    with pytest.raises(OSError, match="File too large"), _files_of_at_most(4):
        write_whole(place, "too long")
    assert not taken.exists()
    assert place.read_text(encoding="utf-8") == "before"


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Let files grow no further, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)
