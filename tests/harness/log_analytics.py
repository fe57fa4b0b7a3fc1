"""Log Analytics in memory: the product's own log lines as rows of its tables, and KQL run over them."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb_kql

from spot_responder.responder.log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY: Final = Path(__file__).resolve().parents[2]
QUERIES: Final = REPOSITORY / "queries" / "logs"
TABLES: Final = REPOSITORY / "tools" / "log_analytics_tables.json"

REACHES: Final = {
    "alarm-app-failures": timedelta(hours=1),
    "alarm-app-silent": timedelta(hours=1),
    "alarm-denied": timedelta(hours=2),
    "alarm-event-path-silent": timedelta(hours=1),
    "alarm-unrecovered": timedelta(days=2),
    "alarm-host-errors": timedelta(minutes=30),
    "alarm-lasting": timedelta(hours=2),
    "alarm-poison": timedelta(minutes=30),
    "alarm-unpublished": timedelta(hours=1),
    "alarm-work": timedelta(hours=1),
}
"""How far back each alarm's rule lets its query see; tests/infra holds infra/alarms.bicep against it."""

_SEVERITIES: Final = {"INFO": 1, "WARNING": 2, "ERROR": 3}
_TYPES: Final = {
    "DateTime": "TIMESTAMP",
    "String": "VARCHAR",
    "Int": "INTEGER",
    "Bool": "BOOLEAN",
    "Real": "DOUBLE",
    "Dynamic": "JSON",
}

type Row = dict[str, Any]


@dataclass
class Logbook:
    """Rows by table, as Application Insights would write them."""

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, time: datetime, **columns: object) -> None:
        """Write a row; a text that is not given is empty, as it is in Azure."""
        self.rows.setdefault(table, []).append({"TimeGenerated": time.isoformat(), **columns})

    @contextmanager
    def written_by_the_app(self, clock: Callable[[], datetime]) -> Iterator[None]:
        """Write what the product logs meanwhile, at the times that ``clock`` tells."""
        handler = _Handler(self, clock)
        level = LOG.level
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
        try:
            yield
        finally:
            LOG.removeHandler(handler)
            LOG.setLevel(level)

    def ask(self, name: str, now: datetime) -> list[Row]:
        """Run the query of a file of ``queries/logs`` at a time; an alarm's sees no more than its rule lets it see."""
        reach = REACHES.get(name)
        seen = {table: [row for row in rows if _is_seen(row, now, reach)] for table, rows in self.rows.items()}
        return Logbook(seen).run((QUERIES / f"{name}.kql").read_text(encoding="utf-8"), now)

    def run(self, kql: str, now: datetime) -> list[Row]:
        """Run any query over all that is written."""
        connection = duckdb_kql.connect(config={"enable_external_access": False, "threads": 1})
        for table, columns in json.loads(TABLES.read_text(encoding="utf-8"))["tables"].items():
            kinds = {column: _TYPES[kind] for column, kind in columns.items()}
            listed = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
            connection.execute(f"CREATE TABLE {table} ({listed})")
            empty = {column: "" if kind == "VARCHAR" else None for column, kind in kinds.items()}
            connection.execute(
                f"INSERT INTO {table} SELECT unnest(from_json(?, ?), recursive := true)",
                [json.dumps([empty | row for row in self.rows.get(table, [])]), json.dumps([kinds])],
            )
        answer = duckdb_kql.query(connection, kql, allow_write=False, query_now=now)
        return [dict(zip(answer.columns, _plain(row), strict=True)) for row in answer.fetchall()]


class _Handler(logging.Handler):
    """Turns records of the product's logger into rows of ``AppTraces``."""

    def __init__(self, logbook: Logbook, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._logbook = logbook
        self._clock = clock

    def emit(self, record: logging.LogRecord) -> None:
        """Write one row."""
        severity = _SEVERITIES[record.levelname]
        self._logbook.add(
            "AppTraces", self._clock(), Message=record.getMessage(), SeverityLevel=severity, OperationId="operation-1"
        )


def _is_seen(row: Row, now: datetime, reach: timedelta | None) -> bool:
    return reach is None or now - reach < datetime.fromisoformat(row["TimeGenerated"]) <= now


def _plain(row: tuple[object, ...]) -> list[object]:
    return [value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row]
