"""The Azure in virtual time: what its host, its processes and its clock promise."""

from __future__ import annotations

from datetime import timedelta

from localazure.virtual.app import Deployment
from localazure.virtual.azure import VirtualAzure
from spot_responder.policy import Policy
from tests.makers import TEN

TAG = {"AttemptRestartAfterEviction": "true"}


def test_who_leaves_in_the_middle_leaves_no_task_behind() -> None:
    """Two seconds after an eviction the app looks at its VM; the story ends there."""
    with VirtualAzure(TEN, Deployment(Policy())) as azure:
        azure.world.add_vm("render-1", tags=TAG)
        azure.world.evict("render-1")
        while not azure.clock.tasks():
            azure.run_for(timedelta(milliseconds=100))
        tasks = azure.clock.tasks()
    assert all(task.done() for task in tasks)
