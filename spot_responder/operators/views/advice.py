"""What an operator may do about a VM that is not back yet: one line each, with the command where there is one. Pure.

Called by ``explanation.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from spot_responder.advised_command import shell_words
from spot_responder.decisions.evidence import Verdict
from spot_responder.decisions.fallback.sizes import sizes_of
from spot_responder.decisions.recoveries import Notice
from spot_responder.decisions.situations import Wait
from spot_responder.intake.azure_errors import FailureKind
from spot_responder.intake.vms import PowerState
from spot_responder.offerings.fallback_tag import read_fallback_sizes
from spot_responder.operators.views.tag_typos import is_left_to_the_tag, tag_command

if TYPE_CHECKING:
    from spot_responder.advised_command import CommandLine
    from spot_responder.decisions.policy import Policy
    from spot_responder.decisions.situations import Decision, Situation
    from spot_responder.intake.azure_errors import Failure
    from spot_responder.intake.vms import Vm, VmId


_ABOUT_CAPACITY: Final = "it comes back when Azure has room; sooner only in another size, zone or region"

_ABOUT_LIMITS: Final = {
    Notice.BRAKE: "if Azure evicts it again and again, another size, zone or region may hold longer",
    Notice.REFUSALS: "a hundred requests came to nothing: what Azure said each time is in the app's log",
    Notice.BUDGET: "what Azure said to each of these start requests is in the app's log",
}


def advice(  # noqa: PLR0913, PLR0917 - what it rests on, and how it is written
    situation: Situation,
    decision: Decision,
    failure: Failure | None,
    policy: Policy,
    called: str,
    command: CommandLine,
    need: Notice | None,
) -> tuple[str, ...]:
    """Give what an operator may do; nothing where nothing is needed.

    ``failure``: of the latest start request. ``called``: how commands name the VM; ``command`` writes them. ``need``:
    what needs somebody, if anything does.
    """
    vm, row = situation.vm, situation.recovery
    if vm is None:
        asked = situation.vm_id
        look = shell_words("az", "resource", "list", "--name", asked.name, "--subscription", asked.subscription_id)
        return (f"is it there, and may you see it? {look}",)
    lines = _about_the_tag(vm, policy)
    if vm.power_state is PowerState.RUNNING and sizes_of(vm, row, policy)[1:]:
        lines.append(f"whether the sizes of its tag suit it: {_sizes_like(called, command)}")
    is_held = row is not None and row.held_at is not None
    if is_held:
        lines.append(f"to end the hold: {command('release', called)}")
    if situation.evidence.verdict is Verdict.STOPPED_BY_OWNER and vm.power_state is not PowerState.RUNNING:
        lines += [_who(vm.vm_id), f"to have it up: {_start(vm)}"]
    elif isinstance(decision, Wait) and not is_held:
        lines += _about_the_wait(decision, failure, situation, vm, called, command, need)
        if _ABOUT_CAPACITY in lines and not read_fallback_sizes(vm.tags).sizes:
            which = f"sizes that it could come back as, and the tag for it: {_sizes_like(called, command)}"
            lines.insert(lines.index(_ABOUT_CAPACITY) + 1, which)
    return tuple(lines)


def _about_the_wait(  # noqa: PLR0913, PLR0917 - all that it rests on
    wait: Wait,
    failure: Failure | None,
    situation: Situation,
    vm: Vm,
    called: str,
    command: CommandLine,
    need: Notice | None,
) -> list[str]:
    retry = command("retry", called)
    lines = [_about(failure, vm, need)] if failure else []
    if need is Notice.REFUSALS:
        lines.append(_ABOUT_LIMITS[need])
    if wait.notice is Notice.BLOCKED:
        return [*lines, f"what can be mended there is found by: {command('doctor')}"]
    if wait.notice is not None:
        # A retry overrides neither brake nor budget.
        return [*lines, _ABOUT_LIMITS[wait.notice], f"to have it up all the same: {_start(vm)}"]
    if failure is None and wait.in_pool_queue and situation.gate and situation.gate.refusals:
        lines.append(_ABOUT_CAPACITY)
    is_retry_heard = failure is not None and not failure.kind.passes_soon and failure.retry_after is None
    if is_retry_heard or (failure is None and wait.in_pool_queue):
        lines.append(f"to have it tried now, without waiting: {retry}")
    return lines


def _sizes_like(called: str, command: CommandLine) -> str:
    return command("sizes", "--like", called)


def _about_the_tag(vm: Vm, policy: Policy) -> list[str]:
    if vm.has_tag(policy.restart_tag) or not is_left_to_the_tag(vm, policy):
        return []
    return [f"if its owner wants it restarted: {tag_command(vm.vm_id, policy.restart_tag)}"]


def _who(vm_id: VmId) -> str:
    fields = "{when:eventTimestamp, who:caller, what:operationName.value}"
    of_it = shell_words("az", "monitor", "activity-log", "list", "--resource-id", vm_id)
    return f'who it was: {of_it} --offset 7d --query "[].{fields}" -o table'


def _start(vm: Vm) -> str:
    return shell_words("az", "vm", "start", "--ids", vm.vm_id)


def _about(failure: Failure, vm: Vm, need: Notice | None) -> str:
    match failure.kind:
        case FailureKind.CAPACITY:
            return _ABOUT_CAPACITY
        case FailureKind.PRICE:
            raise_it = f"{shell_words('az', 'vm', 'update', '--ids', vm.vm_id)} --set billingProfile.maxPrice=-1"
            return f"to pay up to the on-demand price: {raise_it}"
        case FailureKind.QUOTA:
            see_it = f"{shell_words('az', 'vm', 'list-usage', '-l', vm.location)} {_subscription(vm)} -o table"
            return f"to see the quota (Total Regional Spot vCPUs): {see_it}"
        case FailureKind.DENIED:
            return _about_denied(failure, vm)
        case FailureKind.THROTTLED:
            return _about_throttled(failure, vm, need)
        case FailureKind.CONFLICT:
            return _about_conflict(vm, need)
        case FailureKind.GONE:
            show = shell_words("az", "vm", "show", "--ids", vm.vm_id)
            return f"a start does not find it, and a look does: is it there? {show} -o table"
        case FailureKind.UNKNOWN:
            return "nobody here knows this code: look it up, and tell those who maintain Spot Responder of it"
        case _:
            assert_never(failure.kind)


def _about_throttled(failure: Failure, vm: Vm, need: Notice | None) -> str:
    told = "Azure said for how long to be quiet" if failure.retry_after else "Azure wants fewer requests"
    if need:
        return f"{told}, and has for long: who else asks so much there? {_recent(vm)}"
    return f"nothing is to be done: {told}, and the app obeys"


def _about_conflict(vm: Vm, need: Notice | None) -> str:
    if need:
        return f"another operation holds it for long, as Azure says: {_who(vm.vm_id)}; else ask Azure Support"
    return "another operation holds the VM, as Azure says: the Activity Log shows whose"


def _about_denied(failure: Failure, vm: Vm) -> str:
    if failure.lacks_token:
        return "the app has no login: is its identity there? az functionapp identity show -g GROUP -n APP"
    match failure.code.lower():
        case "scopelocked":
            locks = shell_words("az", "lock", "list", "-g", vm.vm_id.resource_group)
            return f"a read-only lock forbids it: {locks} {_subscription(vm)} -o table"
        case "requestdisallowedbypolicy":
            states = shell_words("az", "policy", "state", "list", "--resource", vm.vm_id)
            return f"an Azure Policy forbids it: {states} -o table"
        case "authorizationfailed" | "linkedauthorizationfailed":
            scope = f"/subscriptions/{vm.vm_id.subscription_id}/resourceGroups/{vm.vm_id.resource_group}"
            roles = shell_words("az", "role", "assignment", "list", "--scope", scope)
            return f"does the app have its role? {roles} --include-inherited -o table"
        case _:
            return "the VM's or the subscription's configuration forbids it: Azure's words say what"


def _recent(vm: Vm) -> str:
    fields = "{when:eventTimestamp, who:caller, what:operationName.value}"
    where = shell_words(vm.vm_id.subscription_id)
    return f'az monitor activity-log list --subscription {where} --offset 1h --query "[].{fields}" -o table'


def _subscription(vm: Vm) -> str:
    return shell_words("--subscription", vm.vm_id.subscription_id)
