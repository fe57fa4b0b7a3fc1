"""The port to the tables of results that workers write, one for each work queue. For operators and the status page.

Opened by ``operator_connections.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from azure.core.exceptions import AzureError, ResourceNotFoundError

from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable
from spot_responder.operators.views.work_figures import JobsDone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from azure.data.tables.aio import TableClient

    from spot_responder.intake.work_queue_names import WorkQueueName

MOST_COUNTED: Final = 10_000
"""So many rows are read at most, ten requests: the status page is not to take minutes."""


@dataclass(frozen=True, slots=True)
class JobResults:
    """The port. ``table`` opens the table of results of a work queue."""

    table: Callable[[WorkQueueName], TableClient]

    async def done_since(self, name: WorkQueueName, since: datetime) -> JobsDone | None:
        """Give the jobs that have got their results since then; ``None`` where there is no such table.

        Raises:
            AzureRefusedError: if the table could not be read: the login may have no right there.
        """
        what = f"read the results of {name}"
        began = since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        asked = f"PartitionKey eq '{name.queue}' and finished_at ge '{began}'"
        try:
            rows = self.table(name).query_entities(asked, select=["seconds_waited"])
            number = 0
            waited: list[float] = []
            async for row in rows:
                if number == MOST_COUNTED:
                    return JobsDone(number, tuple(waited), is_all=False)
                number += 1
                waited += _waited(row)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise refusal(error, what) from error
        except UNREADABLE as error:
            raise unreadable(error, what) from error
        return JobsDone(number, tuple(waited), is_all=True)


def results_table(name: WorkQueueName) -> str:
    """Name the table that ``spot-worker run`` writes results into, unless it is told otherwise."""
    return f"{name.queue.replace('-', '')}results"


def _waited(row: Mapping[str, Any]) -> list[float]:
    value = row.get("seconds_waited")
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
