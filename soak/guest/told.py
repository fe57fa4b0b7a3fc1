"""The first story: the VM is told, drains and saves, loses its power, is started by the app, and its job goes on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from localazure.runtime.processes import CommandFailedError, printed_by
from soak.command_line import say
from soak.guest.real_vm import NAME, BrokenError, RealVm, check

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINKS: Final = 80
_NOTICE_S: Final = 30
_MAY_WRITE_AT_HOME: Final = (
    "worker=$(systemctl show --property=MainPID --value spot-worker@chains) && "
    "home=$(tr '\\0' '\\n' < /proc/$worker/environ | sed -n 's/^HOME=//p') && "
    'test "$home" = /var/cache/spot-worker/chains && '
    'test "$(stat --dereference --format=%u $home)" = "$(stat --format=%u /proc/$worker)"'
)
"""A function's process has the user and the environment of the worker."""

_SAVED_FIRST: Final = 3
_LOOKS: Final = 60
_HEARD: Final = "heard from the agent"


async def told_and_restored(vm: RealVm) -> None:
    """Play it. Raises ``BrokenError``."""
    await vm.submit(1, _LINKS)
    await vm.until(lambda: len(vm.worker_lines("saved")) >= _SAVED_FIRST, "the job is under way")
    await vm.until(lambda: vm.guest.metadata.events_read_at is not None, "the agent listens")
    vm.printed.clear()
    await vm.lose_power(_NOTICE_S)
    told = list(vm.printed)
    for words in ("hook preempt/save: ok", "stop-units: ok", "told", "gave back"):
        check(any(words in line for line in told), f"before the power was lost, the console showed {words!r}: {told}")
    vm.printed.clear()
    await vm.until(lambda: vm.guest.has_power, "the app has started it")
    await vm.until_at_work()
    await _the_worker_hears_the_agent(vm)
    await vm.shell.run(_MAY_WRITE_AT_HOME)
    (row,) = await vm.until_all_done(120) or [{}]
    check(vm.is_right(row), f"one job has one result, and the right one: {row}")
    check(row["result"]["began_at"] > 0, f"the job went on where it was saved: {row}")
    check(not await vm.failed_units(), "no unit is left failed")
    await _the_app_knows(vm)


async def _the_worker_hears_the_agent(vm: RealVm) -> None:
    """Wait until the worker says that its notices come from the agent, whose user is another one."""
    await vm.until(lambda: _source(vm) == _HEARD, "the worker hears from the agent")


def _source(vm: RealVm) -> str:
    """Give whom the worker heard last, in its words."""
    said = [str(line.fields.get("said")) for line in vm.worker_lines("notices")]
    return said[-1] if said else ""


async def _the_app_knows(vm: RealVm) -> None:
    """Wait until the app has written down all that the agent told it, and show what it tells of the VM."""
    seen: dict[str, Any] = {}
    for _ in range(_LOOKS):
        seen = json.loads(await _as_operator(vm.laptop.operator, "history", "--json"))
        ended = [one for one in seen["recoveries"] if one["vm_id"].lower() == vm.guest.machine.vm_id.lower()]
        if any(one["outcome"] == "restored" and one["notice_lead_s"] and one["ready_after_s"] for one in ended):
            say(await _as_operator(vm.laptop.operator, "explain", NAME))
            return
        await asyncio.sleep(1)
    message = f"the app's history has no restored {NAME} with its notice and its workload that is ready: {seen}"
    raise BrokenError(message)


async def _as_operator(environment: Mapping[str, str], *words: str) -> str:
    try:
        return await printed_by("spot_responder", words, environment)
    except CommandFailedError as failed:
        raise BrokenError(str(failed)) from failed
