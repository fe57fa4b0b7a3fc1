"""Whatever Hypothesis does to a world, in whatever order: the promises hold after every step (``docs/promises.md``)."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from localazure.virtual.wire import RequestKind
from localazure.world.azure_errors import Refused
from localazure.world.machines import PowerState
from localazure.world.world import OWNER
from soak.responder.faults import REFUSALS, START_CODES, FaultRates, Faults, Outage
from soak.responder.promises import Witness
from spot_responder.decisions.policy import Policy
from spot_responder.intake.signals import Inbox
from spot_responder.responder.log import LOG
from tests.harness.agents import notice, ready
from tests.harness.makers import TEN

if TYPE_CHECKING:
    from localazure.world.machines import Machine

TAG = {"AttemptRestartAfterEviction": "true"}
VMS = st.integers(0, 2)
CALM_AT_MOST = timedelta(hours=26)


class AnythingGoes(RuleBasedStateMachine):
    """Three VMs of one pool, two instances of the app, and everything that can be done to them."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        """Deploy the app into a world of three tagged Spot VMs that run."""
        LOG.disabled = True
        chance = Random(seed)  # noqa: S311 - no secret
        self.faults = Faults(FaultRates(), chance)
        deployment = Deployment(Policy(), instances=2)
        self.azure = VirtualAzure(TEN, deployment, chance=chance, fault_plan=self.faults, event_fault_plan=self.faults)
        self.faults.tell_time_by(self.azure.clock)
        self.witness = Witness(self.azure, self.faults, deployment)
        self.vms = [self.azure.world.add_vm(f"vm-{number}", tags=TAG) for number in range(3)]

    @rule(seconds=st.sampled_from([1, 5, 20, 90, 600, 3000]))
    def let_time_pass(self, seconds: int) -> None:
        """Let what is under way go on."""
        self.azure.run_for(timedelta(seconds=seconds))

    @rule(number=VMS)
    def evict(self, number: int) -> None:
        """Azure takes a VM away, also while it is just starting."""
        if self._vm(number).power_state in {PowerState.RUNNING, PowerState.STARTING}:
            self.azure.world.evict(self._vm(number).vm_id)

    @rule(number=VMS, starts=st.booleans())
    def act_as_owner(self, number: int, *, starts: bool) -> None:
        """Its owner starts a VM, or stops it, a moment after what was before: nothing comes first at one instant."""
        self.azure.run_for(timedelta(seconds=1))
        world, vm = self.azure.world, self._vm(number)
        try:
            _ = world.start(vm, OWNER) if starts else world.stop_by_owner(vm.vm_id)
        except Refused:
            return

    @rule(number=VMS, minutes=st.sampled_from([-600, -4, 0, 10]), late=st.booleans(), is_notice=st.booleans())
    def write_as_its_agent(self, number: int, minutes: int, *, late: bool, is_notice: bool) -> None:
        """Its agent, or whoever may write to that queue, tells of an eviction or of a workload, of any time."""
        at = self.azure.clock.now() + timedelta(minutes=minutes)
        self.told = getattr(self, "told", 0) + 1
        vm_id, word = self._vm(number).vm_id, f"told-{self.told}"
        told = (
            notice(vm_id, at, event_id=word, late=late) if is_notice else ready(vm_id, at, recovery_id=word, late=late)
        )
        self.azure.app.put(json.dumps(told), timedelta(), inbox=Inbox.AGENTS)

    @rule(number=VMS, tags=st.sampled_from([TAG, {}, {"AttemptRestartAfterEviction": "no"}]))
    def retag(self, number: int, tags: dict[str, str]) -> None:
        """Its owner opts out, or in."""
        self.azure.world.retag(self._vm(number).vm_id, tags)

    @rule(free=st.sampled_from([0, 1, None]))
    def change_capacity(self, free: int | None) -> None:
        """Leave so many places in the pool."""
        self.azure.world.set_capacity(self.vms[0].pool, free)

    @rule(number=VMS, told=st.sampled_from(START_CODES), at_once=st.booleans())
    def let_a_start_fail(self, number: int, told: tuple[str, str], *, at_once: bool) -> None:
        """Let the next start be refused, or accepted and then fail."""
        let = self.azure.world.refuse_next_start if at_once else self.azure.world.fail_next_start
        let(self._vm(number).vm_id, *told)

    @rule(request_kind=st.sampled_from(RequestKind), which=st.integers(0, 30), minutes=st.sampled_from([1, 6, 40]))
    def begin_an_outage(self, request_kind: RequestKind, which: int, minutes: int) -> None:
        """Let every request of one kind be refused for a while."""
        refusals = REFUSALS[request_kind]
        now = self.azure.clock.now()
        outage = Outage(request_kind, now, now + timedelta(minutes=minutes), refusals[which % len(refusals)])
        self.faults.outages.append(outage)

    @rule()
    def kill(self) -> None:
        """End a process of the app, in the middle of whatever it does."""
        self.azure.app.kill_one()

    @rule(
        rates=st.sampled_from(
            [
                FaultRates(),
                FaultRates(lost=0.2, death=0.05),
                FaultRates(event_lost=1),
                FaultRates(event_doubled=1, event_late=1),
            ]
        )
    )
    def change_rates(self, rates: FaultRates) -> None:
        """Let requests or events get lost from now on, or all be well."""
        self.faults.rates = rates

    @precondition(lambda self: hasattr(self, "witness"))
    @invariant()
    def the_promises_hold(self) -> None:
        """Nothing was started that must not be, nothing spins, every wait has a reason, nothing crashed."""
        assert self.witness.broken_so_far() == []

    def teardown(self) -> None:
        """Let all be well: then every VM that is due comes back, and every recovery ends and is told."""
        LOG.disabled = False
        if not hasattr(self, "witness"):
            return
        with self.azure:
            self.faults.is_calm = True
            self.azure.world.set_capacity(self.vms[0].pool, None)
            for vm in self.vms:
                self.azure.world.spare(vm.vm_id)
            calm_at = self.azure.clock.now()
            while not self.witness.is_all_over(calm_at) and self.azure.clock.now() - calm_at < CALM_AT_MOST:
                self.azure.run_for(timedelta(minutes=5))
            assert self.witness.findings(0, calm_at).broken == ()

    def _vm(self, number: int) -> Machine:
        return self.vms[number]


AnythingGoes.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestAnythingGoes = AnythingGoes.TestCase
