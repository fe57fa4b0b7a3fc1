"""Microsoft's own az works against the laptop Azure: whoever has typed it in Azure may type it here.

Each call takes a second or more, and each that waits for Azure ten more: what is independent runs at the same time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from localazure.demo import az_env
from localazure.demo.control import ControlError
from tests.harness.az_commands import REPOSITORY
from tests.harness.operators_laptop import TAG, operators_laptop
from tests.harness.real_az import AZ, needs_az

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from localazure.laptop import Laptop
    from tests.harness.operators_laptop import OperatorsLaptop

pytestmark = needs_az

PATIENCE_S: Final = 240
CRON_QUERY: Final = (
    "[?billingProfile.maxPrice != null && powerState == 'VM deallocated' && tags.AttemptRestartAfterEviction && "
    "tags.AttemptRestartAfterEviction == 'true'].{Name:name}"
)
GRAPH: Final = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
BODY: Final = json.dumps({"query": 'resources | where name == "tagged-down" | project id, tags'})
DOWN: Final = ("start-1", "start-2", "tagged-down", "price-1")
UP: Final = ("dealloc-1", "stop-1", "restart-1", "delete-1", "evict-1", "tag-1", "update-1")


@dataclass(frozen=True)
class Ran:
    """What a call of az came to."""

    code: int
    out: str
    err: str

    @property
    def content(self) -> Any:  # noqa: ANN401 - whatever JSON there is
        """Read what it printed as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class RealAz:
    """az, logged in to the laptop Azure by the lines that ``make -s az-env`` prints."""

    world: OperatorsLaptop
    folder: Path

    def shell(self, code: str, login: str = "owner") -> Ran:
        """Run lines of bash after those of ``make -s az-env``, in an environment that knows nothing else."""
        lines = az_env.lines(self.folder, login, AZ.parent)
        done = subprocess.run(  # noqa: S603 - a shell is what the lines are for
            ["bash", "-euo", "pipefail", "-c", f"{lines}{code}"],  # noqa: S607 - of the PATH
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def at_once(self, calls: Mapping[str, str], login: str = "owner") -> dict[str, Ran]:
        """Run several calls at the same time; give what each came to, by its name."""
        with ThreadPoolExecutor(len(calls)) as pool:
            running = {name: pool.submit(self.shell, code, login) for name, code in calls.items()}
            return {name: each.result() for name, each in running.items()}

    def power(self, name: str) -> str:
        """Say what state a VM of the world is in."""
        return str(self.world.move(lambda laptop: laptop.world.machine(name).power_state.value))


@pytest.fixture(scope="module")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAz]:
    """Start a laptop Azure, and log in twice, by endpoint discovery and managed identity."""
    folder = tmp_path_factory.mktemp("laptop")
    with operators_laptop(folder) as world:
        world.move(_fill)
        for login in az_env.LOGINS:
            az_env.leave_login(folder, login, world.run(world.laptop.log_in(login)))
        real = RealAz(world, folder)
        for login in az_env.LOGINS:
            logged_in = real.shell("az account show --query environmentName -o tsv", login)
            assert (logged_in.code, logged_in.out) == (0, "LaptopAzure\n"), logged_in.err
        yield real


def _fill(laptop: Laptop) -> None:
    for name in DOWN:
        laptop.world.add_vm(name, power_state="deallocated", tags=TAG if name == "tagged-down" else {})
    for name in UP:
        laptop.world.add_vm(name)
    laptop.world.add_vm("gone-1", eviction_policy="Delete")
    laptop.world.evict("gone-1")


def test_vms_are_listed_and_shown(az: RealAz) -> None:
    """Also with the details that need the network's interfaces, and by the cron script's query."""
    ran = az.at_once(
        {
            "list": 'az vm list --query "[].name" -o json',
            "cron": f'az vm list -g rg-spot -d -o tsv --query "{CRON_QUERY}"',
            "show": "az vm show -d -g rg-spot -n tagged-down -o json",
            "graph": f"az rest --method post --url '{GRAPH}' --body '{BODY}' -o json",
            "groups": 'az group list --query "[].name" -o tsv',
        }
    )
    assert {name: one.err for name, one in ran.items() if one.code} == {}
    assert set(ran["list"].content) == {*DOWN, *UP}
    assert ran["cron"].out == "tagged-down\n"
    shown = ran["show"].content
    assert (shown["powerState"], shown["priority"], shown["tags"]) == ("VM deallocated", "Spot", TAG)
    assert re.fullmatch(r"10\.0\.\d+\.\d+", shown["privateIps"])
    (row,) = ran["graph"].content["data"]
    assert row == {"id": shown["id"], "tags": TAG}
    assert "rg-spot\n" in ran["groups"].out


def test_vms_are_started_stopped_restarted_evicted_and_deleted(az: RealAz) -> None:
    """Each command returns when Azure is through with it, or at once where it is told not to wait."""
    ran = az.at_once(
        {
            "start-1": "az vm start -g rg-spot -n start-1",
            "start-2": "az vm start -g rg-spot -n start-2 --no-wait",
            "dealloc-1": "az vm deallocate -g rg-spot -n dealloc-1",
            "stop-1": "az vm stop -g rg-spot -n stop-1",
            "restart-1": "az vm restart -g rg-spot -n restart-1",
            "evict-1": "az vm simulate-eviction -g rg-spot -n evict-1",
            "delete-1": "az vm delete -g rg-spot -n delete-1 --yes",
            "price-1": "az vm update -g rg-spot -n price-1 --set billingProfile.maxPrice=0.5 --query billingProfile",
        }
    )
    assert {name: one.err for name, one in ran.items() if one.code} == {}
    assert az.power("start-1") == "running"
    assert az.power("start-2") == "running"
    assert az.power("dealloc-1") == "deallocated"
    assert az.power("stop-1") == "stopped"
    assert az.power("restart-1") == "running"
    assert az.power("evict-1") == "deallocated"
    assert ran["price-1"].content == {"maxPrice": 0.5}
    assert az.world.move(lambda laptop: laptop.world.machine("delete-1").deleted_at) is not None
    evictions = az.world.move(lambda laptop: laptop.world.machine("evict-1").evictions)
    assert len(evictions) == 1


def test_the_readmes_way_of_tagging_makes_a_vm_ours(az: RealAz) -> None:
    """Tagged by the command of the README, evicted, and back; a tag set by `az vm update` does the same.

    The latter takes a bare ``true`` for a truth value, and fails before it asks Azure.
    """
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (tag,) = re.findall(r"\| Azure CLI \| `(az .+?)` \|", readme)
    ran = az.at_once(
        {
            "tag-1": f"VM_ID=$(az vm show -g rg-spot -n tag-1 --query id -o tsv)\n{tag}",
            "update-1": f"az vm update -g rg-spot -n update-1 --force-string --set tags.{next(iter(TAG))}=true",
        }
    )
    assert {name: one.err for name, one in ran.items() if one.code} == {}
    for name in ran:
        assert az.world.move(partial(_tags_of, name)) == TAG
        az.world.move(partial(_evict, name))
        az.world.until_running(name)


def _tags_of(name: str, laptop: Laptop) -> dict[str, str]:
    return dict(laptop.world.machine(name).tags)


def _evict(name: str, laptop: Laptop) -> None:
    laptop.world.evict(name)


def test_what_is_not_there_or_not_allowed_is_told_as_azure_tells_it(az: RealAz) -> None:
    """A VM that never was, one that its eviction deleted, a method and a version that do not exist."""
    vm = "/subscriptions/{subscriptionId}/resourceGroups/rg-spot/providers/Microsoft.Compute/virtualMachines"
    ran = az.at_once(
        {
            "never": "az vm show -g rg-spot -n never-1",
            "gone": "az vm start -g rg-spot -n gone-1",
            "method": f"az rest --method patch --url '{vm}?api-version=2024-07-01' --body '{{}}'",
            "version": f"az rest --url '{vm}?api-version=2099-01-01'",
        }
    )
    assert all(one.code for one in ran.values())
    assert "(ResourceNotFound) The Resource 'Microsoft.Compute/virtualMachines/never-1'" in ran["never"].err
    assert "(NotFound) The entity was not found in this Azure location." in ran["gone"].err
    assert "MethodNotAllowed" in ran["method"].err
    assert "NoRegisteredProviderFound" in ran["version"].err


def test_an_operator_looks_and_may_not_act(az: RealAz) -> None:
    """The second login has the rights that docs/rights.md gives an operator."""
    ran = az.at_once(
        {
            "list": 'az vm list -g rg-spot --query "[].name" -o tsv',
            "start": "az vm start -g rg-spot -n tagged-down",
            "tag": "az vm update -g rg-spot -n tagged-down --set tags.a=b",
        },
        "operator",
    )
    assert "tagged-down\n" in ran["list"].out
    assert "AuthorizationFailed" in ran["start"].err
    assert "AuthorizationFailed" in ran["tag"].err


def test_a_shell_that_is_logged_in_is_not_logged_in_again(az: RealAz) -> None:
    """The lines may be evaluated as often as one likes, in each new terminal."""
    before = (az.folder / "az-owner" / "azureProfile.json").stat().st_mtime_ns
    assert az.shell(":").code == 0
    assert (az.folder / "az-owner" / "azureProfile.json").stat().st_mtime_ns == before


def test_without_a_running_laptop_there_is_nothing_to_point_at(tmp_path: Path) -> None:
    """It is said in one line, and nothing is printed for the shell."""
    with pytest.raises(ControlError, match="make run"):
        az_env.lines(tmp_path, "owner", AZ.parent)
