"""The installer is killed before each change that it makes, and called again: the VM comes to what is wanted."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from tests.infra.vm.killed import MortalVm, Wanted, make_quick_package
from tests.infra.vm.small_package import make_work

if TYPE_CHECKING:
    from pathlib import Path

COPY: Final = "usr/local/lib/spot-vm"
AGENTS_QUEUE: Final = "https://st.queue.core.windows.net/agents"


@pytest.fixture
def vm(tmp_path: Path) -> MortalVm:
    """Give a VM with nothing on it."""
    return MortalVm(tmp_path / "vm")


@pytest.fixture
def former(tmp_path: Path, vm: MortalVm) -> Wanted:
    """Give the deployment that the VM has."""
    return Wanted(make_quick_package(tmp_path / "package-1", vm.root, "1"), make_work(tmp_path / "work-1", "one"))


@pytest.fixture
def newer(tmp_path: Path, vm: MortalVm) -> Wanted:
    """Give a deployment of which all is newer: agent, kit, unit, code and settings."""
    package, work = make_quick_package(tmp_path / "package-2", vm.root, "2"), make_work(tmp_path / "work-2", "two")
    return Wanted(package, work, options="--slots 9", agents_queue=AGENTS_QUEUE)


def _after(vm: MortalVm, *deployments: Wanted) -> dict[str, str]:
    """Give the VM that comes of them, on one on which there was nothing."""
    vm.keep()
    for wanted in deployments:
        assert vm.apply(wanted) == 0
    found = vm.state()
    vm.back()
    return found


def _all_alike(outcomes: dict[int, object], want: object) -> None:
    wrong = {moment: found for moment, found in outcomes.items() if found != want}
    sys.stdout.write(f"killed at {len(outcomes)} moments; not recovered from {len(wrong)}\n")  # `-s` shows it
    assert outcomes
    assert wrong == {}


@pytest.mark.parametrize("change", ["all", "another queue", "code"])
@pytest.mark.parametrize("then", ["the newer again", "the former again"])
def test_a_deployment_that_was_cut_off_is_completed_or_taken_back(
    vm: MortalVm, former: Wanted, newer: Wanted, change: str, then: str
) -> None:
    """Whichever is wanted next: agent, kit, unit, code, settings, and what the worker runs, are of that one alone."""
    changed = {
        "all": newer,
        "another queue": replace(newer, queue="frames"),
        "code": replace(former, work=newer.work),
    }[change]
    wanted = changed if then == "the newer again" else former
    want = _after(vm, wanted)
    # The newer environment is there from before, which spares the time to make it: that is killed in the next test.
    for before in (changed, former):
        vm.apply(before)
    outcomes = vm.killed_everywhere(lambda moment: vm.apply(changed, moment), lambda: vm.apply(wanted), vm.state)
    _all_alike(outcomes, want)


def test_what_a_deployment_that_was_cut_off_had_begun_to_take_away_can_come_back(
    vm: MortalVm, former: Wanted, newer: Wanted, tmp_path: Path
) -> None:
    """The environment and the code of two deployments ago: half of one is never taken for the whole."""
    package, work = make_quick_package(tmp_path / "package-0", vm.root, "0"), make_work(tmp_path / "work-0", "none")
    oldest = Wanted(package, work)
    want = _after(vm, oldest)
    for before in (oldest, former):
        vm.apply(before)
    outcomes = vm.killed_everywhere(lambda moment: vm.apply(newer, moment), lambda: vm.apply(oldest), vm.state)
    _all_alike(outcomes, want)


def test_a_first_installation_that_was_cut_off_is_completed(vm: MortalVm, former: Wanted) -> None:
    """With what was half made."""
    want = _after(vm, former)
    outcomes = vm.killed_everywhere(lambda moment: vm.apply(former, moment), lambda: vm.apply(former), vm.state)
    _all_alike(outcomes, want)


def test_a_first_installation_that_was_cut_off_is_removed(vm: MortalVm, former: Wanted) -> None:
    """By the package; nothing of it is left, nor of its worker."""

    def remove() -> None:
        vm.call(former.package, "remove")

    _all_alike(vm.killed_everywhere(lambda moment: vm.apply(former, moment), remove, vm.left), [])


def test_a_deployment_that_was_cut_off_is_removed(vm: MortalVm, former: Wanted, newer: Wanted) -> None:
    """By the copy of the installer, as the VM application does; nothing is left of either."""
    vm.apply(former)

    def remove() -> None:
        vm.call(vm.root / COPY, "remove")

    _all_alike(vm.killed_everywhere(lambda moment: vm.apply(newer, moment), remove, vm.left), [])


def test_a_removal_that_was_cut_off_is_completed(vm: MortalVm, former: Wanted) -> None:
    """By the same words."""
    vm.apply(former)

    def remove(moment: int = 0) -> int:
        return vm.call(former.package, "remove", moment=moment)

    _all_alike(vm.killed_everywhere(remove, remove, vm.left), [])


def test_after_a_removal_that_was_cut_off_all_can_be_installed_again(vm: MortalVm, former: Wanted) -> None:
    """As if nothing had been removed."""
    want = _after(vm, former)
    vm.apply(former)
    outcomes = vm.killed_everywhere(
        lambda moment: vm.call(vm.root / COPY, "remove", moment=moment), lambda: vm.apply(former), vm.state
    )
    _all_alike(outcomes, want)
