"""A double of ``ComputeManagementClient``, over the world. Used by ``app.py``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError

from localazure.resource_manager.compute.vm_bodies import etag_of, power_status, principal_of
from localazure.resource_manager.compute.vm_writes import check_etag, read_patch
from localazure.resource_manager.limits import GET_OPERATION, LOW_COST_GET, UPDATE_VM
from localazure.resource_manager.operation_answers import operation_body
from localazure.virtual.answers import Answer
from localazure.virtual.wire import RequestKind
from localazure.world import owner_moves, vm_lifecycle
from localazure.world.azure_errors import Refused, entity_not_found, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.rest import HttpRequest

    from localazure.resource_manager.limits import Limits, Policy
    from localazure.virtual.wire import Hook, Wire
    from localazure.world.machines import Machine
    from localazure.world.world import World

    type Headers = dict[str, str]

ARM: Final = "https://management.azure.com"
PRINCIPAL: Final = "responder"
RESIZER: Final = "resizer"
_ACTIONS: Final = {
    "GET": "Microsoft.Compute/virtualMachines/read",
    "POST": vm_lifecycle.START,
    "PATCH": owner_moves.WRITE,
}
_OPERATIONS: Final = "/providers/Microsoft.Compute/locations/westeurope/operations/"


class ComputeDouble:
    """Answers for one subscription; ``limits`` where requests are counted as Azure counts them."""

    def __init__(self, subscription_id: str, world: World, wire: Wire, limits: Limits | None = None) -> None:
        """Answer from this world."""
        self._subscription, self._world, self._wire, self._limits = subscription_id, world, wire, limits
        self.virtual_machines = self

    async def get(self, resource_group_name: str, vm_name: str, *, expand: str, raw_response_hook: Hook) -> object:
        """Show a VM with its instance view: what the app reads of the SDK's model, which takes long to build."""
        vm_id = self._id(resource_group_name, vm_name)

        def shown() -> tuple[object, Headers]:
            machine = self._machine(vm_id)
            headers = self._count("GET", LOW_COST_GET, machine)
            return _model(machine, tells_power_state=not self._wire.fault_plan.hides_power_state(vm_id)), headers

        assert expand == "instanceView", expand  # noqa: S101 - the double knows no other question
        return await self._wire.heard(RequestKind.VM_READ, vm_id, shown, raw_response_hook)

    async def begin_start(
        self, resource_group_name: str, vm_name: str, *, polling: bool, raw_response_hook: Hook
    ) -> None:
        """Accept or refuse a start."""
        vm_id = self._id(resource_group_name, vm_name)

        def started() -> tuple[None, Headers]:
            machine = self._machine(vm_id)
            headers = self._count("POST", UPDATE_VM, machine)
            operation = self._world.start(machine, PRINCIPAL)
            address = f"{ARM}/subscriptions/{self._subscription}{_OPERATIONS}{operation.operation_id}?s=signature"
            return None, headers | {"Azure-AsyncOperation": address}

        assert not polling  # noqa: S101 - see above
        await self._wire.heard(RequestKind.VM_START, vm_id, started, raw_response_hook)

    async def begin_update(  # noqa: PLR0913 - the SDK's own
        self,
        resource_group_name: str,
        vm_name: str,
        parameters: Mapping[str, Any],
        *,
        polling: bool,
        raw_response_hook: Hook,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> None:
        """Change a VM's size; with ``etag`` only if the VM is the one that was read."""
        vm_id = self._id(resource_group_name, vm_name)

        def written() -> tuple[None, Headers]:
            machine = self._machine(vm_id)
            headers = self._count("PATCH", UPDATE_VM, machine)
            check_etag(machine, etag)
            wanted = read_patch(parameters, machine)
            operation = self._world.update(machine, RESIZER, wanted.tags, wanted.size, wanted.max_price)
            address = f"{ARM}/subscriptions/{self._subscription}{_OPERATIONS}{operation.operation_id}?s=signature"
            return None, headers | {"Azure-AsyncOperation": address}

        assert not polling  # noqa: S101 - the double knows no other question
        assert (match_condition is MatchConditions.IfNotModified) == (etag is not None)  # noqa: S101 - see above
        await self._wire.heard(RequestKind.VM_RESIZE, vm_id, written, raw_response_hook)

    async def send_request(self, request: HttpRequest, *, raw_response_hook: Hook, permit_redirects: bool) -> Answer:
        """Tell how an operation is doing."""
        assert not permit_redirects  # noqa: S101 - the double knows no other question
        operation_id = request.url.rpartition("/")[2].partition("?")[0]

        def told() -> tuple[Answer, Headers]:
            operation = self._world.operations.get(operation_id)
            if operation is None:
                raise Refused(404, "NotFound", f"The operation '{operation_id}' was not found.")
            headers = self._count("GET", GET_OPERATION, self._machine(operation.vm_id))
            return Answer(200, operation_body(operation)), headers

        try:
            return await self._wire.heard(RequestKind.OPERATION_READ, operation_id, told, raw_response_hook)
        except HttpResponseError as error:
            # The SDK's own ``send_request`` gives an error's answer as any other.
            return cast("Answer", error.response)

    def _id(self, group: str, name: str) -> str:
        return (
            f"/subscriptions/{self._subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.Compute/virtualMachines/{name}"
        )

    def _machine(self, vm_id: str) -> Machine:
        machine = self._world.find(vm_id)
        if machine is None and self._world.is_gone_by_eviction(vm_id):
            raise entity_not_found()
        if machine is None:
            _, _, _, _, group, *_, name = vm_id.split("/")
            raise not_found(name, group)
        return machine

    def _count(self, method: str, policy: Policy, machine: Machine) -> Headers:
        if self._limits is None:
            return {}
        now, subscription = self._world.now, self._subscription.lower()
        action = _ACTIONS[method]
        headers = self._limits.take_arm(method, RESIZER if method == "PATCH" else PRINCIPAL, subscription, action, now)
        return headers | self._limits.take_compute(policy, machine.vm_id, subscription, machine.location, now)


def _model(machine: Machine, *, tells_power_state: bool) -> Any:  # noqa: ANN401 - stands for the SDK's model
    status = power_status(machine.condition)["code"] if tells_power_state else "ProvisioningState/succeeded"
    set_id = machine.scale_set_id
    return SimpleNamespace(
        instance_view=SimpleNamespace(statuses=[SimpleNamespace(code=status)]),
        location=machine.location,
        hardware_profile=SimpleNamespace(vm_size=machine.size),
        priority=machine.priority if machine.is_spot else None,
        tags=dict(machine.tags),
        zones=[machine.zone] if machine.zone else None,
        billing_profile=SimpleNamespace(max_price=machine.max_price) if machine.is_spot else None,
        virtual_machine_scale_set=SimpleNamespace(id=set_id) if set_id else None,
        etag=etag_of(machine),
        identity=SimpleNamespace(principal_id=principal_of(machine)),
        vm_id=machine.unique_id,
    )
