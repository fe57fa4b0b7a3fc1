"""Makes a deployment and an automation for it, and a flow run for each line of standard input.

Runs in ``.venv-recipes``.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from prefect import flow
from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

REPOSITORY = Path(__file__).resolve().parents[3]
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


def submit(lines: list[str]) -> None:
    """Run the deployment once for each line."""
    flow.from_source(source=str(REPOSITORY), entrypoint="bench/recipes/software/prefect_flows.py:work").deploy(
        name="jobs",
        work_pool_name="spot",
        # This command puts a flow run back when it gets SIGTERM.
        job_variables={
            "command": "prefect flow-run execute",
            "env": {
                "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule",
                "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            },
        },
        print_next_steps=False,
    )
    # A flow run whose VM vanished is shown as running for ever, until somebody misses its heartbeats.
    Automation(
        name="put back flow runs that are silent",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{end}" for end in ENDS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=90),
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", force=True)],
    ).create()
    for line in lines:
        run_deployment("work/jobs", parameters={"body": json.loads(line)}, timeout=0)


if __name__ == "__main__":
    submit(sys.stdin.readlines())
