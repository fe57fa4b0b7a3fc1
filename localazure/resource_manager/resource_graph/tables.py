"""Resource Graph's tables in DuckDB, and KQL run over them. Called by ``service.py``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import duckdb
import duckdb_kql
from duckdb_kql.engine import schema as kql_schema

from localazure.resource_manager.resource_graph.rows import COLUMNS
from localazure.world.timestamps import zulu_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from localazure.resource_manager.resource_graph.rows import Row

    type Rows = Mapping[str, Sequence[Row]]

TABLES: Final = ("resources", "healthresources")
_TYPES: Final = {
    "VARCHAR": "string",
    "BIGINT": "long",
    "INTEGER": "int",
    "DOUBLE": "real",
    "BOOLEAN": "bool",
    "TIMESTAMP": "datetime",
    "JSON": "object",
}

_LIST: Final = re.compile(r"""in~ \(('[^'\\]*'(?:, '[^'\\]*')*)\)""")
_PRESENT: Final = re.compile(r"\b(now|ago)\s*\(")


class InvalidQueryError(ValueError):
    """The KQL cannot be read, or names what is not there."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gave: the columns with Resource Graph's types, and the rows in JSON's types."""

    columns: list[tuple[str, str]]
    rows: list[list[object]]


class GraphTables:
    """The tables ``resources`` and ``healthresources``. Only what has changed is written anew."""

    def __init__(self) -> None:
        """Make the tables, empty. Queries reach no file and no network."""
        self._connection = duckdb_kql.connect(config={"enable_external_access": False, "threads": 1})
        self._shown: dict[str, tuple[object, Rows]] = {}
        self._sql: dict[str, str] = {}
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        for table in TABLES:
            self._connection.execute(f"CREATE TABLE {table} ({columns})")

    def show(self, wanted: Mapping[str, tuple[object, Callable[[], Rows]]]) -> None:
        """Show exactly these: by key, what tells one state of it from another, and how to make its rows by table."""
        same = {key for key, (state, _) in wanted.items() if key in self._shown and self._shown[key][0] is state}
        gone = [self._shown.pop(key)[1] for key in self._shown.keys() - same]
        come = {key: (state, make()) for key, (state, make) in wanted.items() if key not in same}
        for table in TABLES:
            self._delete(table, [row["id"] for rows in gone for row in rows[table]])
            self._fill(table, [row for _, rows in come.values() for row in rows[table]])
        self._shown |= come

    def query(self, kql: str, now: datetime) -> Result:
        """Run a query; ``now()`` and ``ago()`` in it go by the world's time.

        Raises:
            InvalidQueryError: with what KQL parser or engine found.

        """
        try:
            relation = self._relation(kql, now)
            names, kinds, rows = relation.columns, [str(kind) for kind in relation.types], relation.fetchall()
        except (duckdb_kql.KqlError, duckdb.Error) as error:
            raise InvalidQueryError(str(error)) from error
        columns = [(name, _TYPES.get(kind, "string")) for name, kind in zip(names, kinds, strict=True)]
        return Result(columns, [_json_row(row, kinds) for row in rows])

    def _relation(self, kql: str, now: datetime) -> duckdb.DuckDBPyRelation:
        """Translate the query, and hand it to the engine.

        One that differs from an earlier one in its lists only is not translated again: the translator takes a
        millisecond for each literal, which for lists of a hundred ids would be most of what the laptop Azure does.
        """
        if _PRESENT.search(kql):
            return duckdb_kql.query(self._connection, kql, allow_write=False, query_now=now)
        lists: list[str] = []

        def lift(found: re.Match[str]) -> str:
            lists.append(", ".join(f"lower('{text}')" for text in re.findall("'([^']*)'", found[1])))
            return f"in~ ('list {len(lists)}')"

        text = _LIST.sub(lift, kql)
        if text not in self._sql:
            self._sql[text] = str(duckdb_kql.to_sql(text, schema=kql_schema(self._connection), allow_write=False))
        sql = self._sql[text]
        for number, literals in enumerate(lists, 1):
            sql = sql.replace(f"lower('list {number}')", literals)
        return self._connection.sql(sql)

    def _delete(self, table: str, ids: list[object]) -> None:
        if ids:
            self._connection.execute(f"DELETE FROM {table} WHERE id IN (SELECT unnest(?))", [ids])  # noqa: S608 - ours

    def _fill(self, table: str, rows: list[Row]) -> None:
        if not rows:
            return
        # One JSON text for all rows: ten times as fast as a statement for each.
        shape = json.dumps([COLUMNS])
        self._connection.execute(
            f"INSERT INTO {table} SELECT unnest(from_json(?, ?), recursive := true)",
            [json.dumps(rows), shape],
        )


def _json_row(row: Sequence[object], kinds: Sequence[str]) -> list[object]:
    return [_json_value(value, kind) for value, kind in zip(row, kinds, strict=True)]


def _json_value(value: object, kind: str) -> object:
    match value:
        case str() if kind == "JSON":
            return json.loads(value)
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return float(value)
        case datetime():
            return zulu_time(value if value.tzinfo else value.replace(tzinfo=UTC))
        case date():
            return value.isoformat()
        case _:
            return str(value)
