"""Finds the VM that a command is about, by its name or its id. Called by the commands that take a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spot_responder.responder.ports import AzureRefusedError
from spot_responder.terminal.results import MISUSED, StopError

if TYPE_CHECKING:
    from spot_responder.intake.vms import VmId
    from spot_responder.operators.ports import OperatorPorts


async def find_vm(reference: str | VmId, ports: OperatorPorts) -> VmId:
    """Find the one VM that is meant: among the rows, and among what Resource Graph shows.

    Raises:
        StopError: if there is none of this name, or several.
    """
    if not isinstance(reference, str):
        return reference
    rows = await ports.app.store.all_recoveries()
    known = {row.value.vm_id for row in rows if row.value.vm_id.name.lower() == reference.lower()}
    try:
        found = known | set(await ports.finder.named(reference))
    except AzureRefusedError as refused:
        # A row of that name may be another VM's: to guess could mean to act on the wrong VM.
        ids = f": we have a row of {', '.join(sorted(map(str, known)))}" if known else ""
        message = f"a VM is not found by its name now; name it by its id{ids}. {refused}"
        raise StopError(message) from refused
    if not found:
        message = f"no VM is called {reference!r}: neither a recovery's, nor one that your login sees"
        raise StopError(message)
    if len(found) > 1:
        ids = ", ".join(sorted(map(str, found)))
        message = f"{len(found)} VMs are called {reference!r}: name one by its id: {ids}"
        raise StopError(message, MISUSED)
    return found.pop()


async def find_vm_that_is(reference: str | VmId, ports: OperatorPorts) -> VmId:
    """Find the VM that a command changes, in the spelling of its row or of Azure: an id may be mistyped.

    If Azure does not let the login look, the id is taken as it is.

    Raises:
        StopError: if there is none, or several of this name.
    """
    vm_id = await find_vm(reference, ports)
    row = (await ports.app.store.load(vm_id)).value
    if row is not None:
        return row.vm_id
    try:
        shown = [each for each in await ports.finder.named(vm_id.name) if each == vm_id]
        is_there = shown or await ports.app.compute.current(vm_id)
    except AzureRefusedError:
        return vm_id
    if not is_there:
        message = f"Azure has no such VM, or does not show it to you, and we have no row of it: {vm_id}"
        raise StopError(message)
    return shown[0] if shown else vm_id
