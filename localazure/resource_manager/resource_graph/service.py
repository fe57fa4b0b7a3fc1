"""The front of Resource Graph: KQL over HTTP, with answers as old as Azure's can be. Started by ``laptop.py``."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from localazure.resource_manager.arm_resources import Resource
from localazure.resource_manager.resource_graph.rows import (
    READ_ACTIONS,
    annotation_rows,
    availability_row,
    scale_set_row,
    vm_row,
)
from localazure.resource_manager.resource_graph.tables import GraphTables, InvalidQueryError, Result
from localazure.world.azure_errors import Refused
from localazure.world.operations import Call
from localazure.world.timestamps import offset_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from localazure.resource_manager.access import Access
    from localazure.resource_manager.arm_resources import Asked
    from localazure.resource_manager.resource_graph.rows import Row
    from localazure.resource_manager.resource_graph.tables import Rows
    from localazure.world.machines import Condition, Machine
    from localazure.world.state import ScaleSet

QUERY: Final = "Microsoft.ResourceGraph/resources/read"
MAX_TOP: Final = 1000
DEFAULT_TOP: Final = 100


@dataclass(frozen=True, slots=True)
class Query:
    """A request's body, read."""

    kql: str
    subscriptions: frozenset[str] | None
    top: int
    skip: int
    table_format: bool


class Graph:
    """Resource Graph. ``lag`` makes it show the world as it was so long ago."""

    def __init__(self, access: Access, lag: timedelta = timedelta()) -> None:
        """Show the world of ``access``, without delay unless told otherwise."""
        self.lag = lag
        self._access = access
        self._tables = GraphTables()
        self._frozen: dict[Machine, Condition | None] = {}

    def freeze(self, name: str) -> None:
        """Go on showing this VM as it is shown at this moment, whatever becomes of it."""
        machine = self._access.world.machine(name)
        self._frozen[machine] = self._condition(machine)

    def thaw(self, name: str) -> None:
        """Show this VM again as the others."""
        self._frozen.pop(self._access.world.machine(name), None)

    def resource(self) -> Resource:
        """Give what stands at Resource Graph's address."""
        path = r"/providers/microsoft\.resourcegraph/resources"
        return Resource("Microsoft.ResourceGraph/resources", path, {"POST": self._answer})

    def _answer(self, asked: Asked) -> web.Response:
        call = Call(self._access.world.now, asked.principal, asked.request.method, QUERY, None)
        return self._access.record(call, lambda: self._run(asked.request, asked.body, asked.principal))

    def _run(self, request: web.Request, raw: bytes, principal: str) -> web.Response:
        readable = frozenset(kind for kind, action in READ_ACTIONS.items() if self._access.allows(principal, action))
        if not readable:
            self._access.authorize(principal, QUERY, "/")
        quota = self._access.limits.take_graph(principal, self._access.world.now)
        try:
            query = _read_query(request, raw)
            self._show(readable, query.subscriptions)
            body = _body(self._tables.query(query.kql, self._access.world.now), query)
        except InvalidQueryError as error:
            raise _invalid(str(error), self._access.world.now, quota) from error
        return web.json_response(body, headers=quota)

    def _show(self, readable: frozenset[str], subscriptions: frozenset[str] | None) -> None:
        kinds = " ".join(sorted(readable))
        wanted: dict[str, tuple[object, Callable[[], Rows]]] = {
            f"{one.scale_set_id} {kinds}": (one, partial(_scale_set_rows, one, readable))
            for one in self._access.world.scale_sets
            if _among(one, subscriptions)
        }
        for machine in self._access.world.machines():
            condition = self._condition(machine) if _among(machine, subscriptions) else None
            if condition is not None:
                # Conditions are kept in the machines' histories, so their identity says whether anything changed.
                rows = partial(_machine_rows, machine, condition, readable)
                wanted[f"{machine.vm_id} {kinds}"] = (condition, rows)
        self._tables.show(wanted)

    def _condition(self, machine: Machine) -> Condition | None:
        if machine in self._frozen:
            return self._frozen[machine]
        return machine.condition_at(self._access.world.now - self.lag)


def _among(place: Machine | ScaleSet, subscriptions: frozenset[str] | None) -> bool:
    return subscriptions is None or place.subscription_id.lower() in subscriptions


def _machine_rows(machine: Machine, condition: Condition, readable: frozenset[str]) -> Rows:
    health = [*annotation_rows(machine, condition), availability_row(machine, condition)]
    return {
        "resources": _readable([vm_row(machine, condition)], readable),
        "healthresources": _readable(health, readable),
    }


def _scale_set_rows(scale_set: ScaleSet, readable: frozenset[str]) -> Rows:
    return {"resources": _readable([scale_set_row(scale_set)], readable), "healthresources": []}


def _readable(rows: list[Row], readable: frozenset[str]) -> list[Row]:
    return [row for row in rows if row["type"] in readable]


def _read_query(request: web.Request, raw: bytes) -> Query:
    """Read the request; raises ``InvalidQueryError``, or ``Refused`` where Azure has an answer of its own."""
    if request.content_type != "application/json":
        # Documented to be a 500: docs/azure-facts.md graph-2.
        raise Refused(500, "InternalServerError", "Content-Type must be application/json.")
    try:
        body = json.loads(raw)
    except ValueError as error:
        message = f"the body is no JSON: {error}"
        raise InvalidQueryError(message) from error
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        message = "the body must be an object with a text 'query'"
        raise InvalidQueryError(message)
    return _query(body, body["query"], body.get("options") or {})


def _query(body: Mapping[str, object], kql: str, options: Mapping[str, object]) -> Query:
    subscriptions = body.get("subscriptions")
    top = _number(options, "$top", DEFAULT_TOP)
    if not 1 <= top <= MAX_TOP:
        message = f"$top must be between 1 and {MAX_TOP}, not {top}"
        raise InvalidQueryError(message)
    token = options.get("$skipToken")
    return Query(
        kql=kql,
        subscriptions=frozenset(str(one).lower() for one in subscriptions) if isinstance(subscriptions, list) else None,
        top=top,
        skip=_number(options, "$skip", 0) if token is None else _offset(str(token), kql),
        table_format=str(options.get("resultFormat", "objectArray")).lower() == "table",
    )


def _number(options: Mapping[str, object], name: str, default: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = f"{name} must be a whole number, not {value!r}"
        raise InvalidQueryError(message)
    return value


def _body(result: Result, query: Query) -> dict[str, object]:
    names = [name for name, _ in result.columns]
    page = result.rows[query.skip : query.skip + query.top]
    more = query.skip + len(page) < len(result.rows)
    # Without an id there is no next page: docs/azure-facts.md graph-3.
    pages = more and "id" in names
    data: object = [dict(zip(names, row, strict=True)) for row in page]
    if query.table_format:
        data = {"columns": [{"name": name, "type": kind} for name, kind in result.columns], "rows": page}
    body: dict[str, object] = {
        "totalRecords": len(result.rows),
        "count": len(page),
        "data": data,
        "facets": [],
        "resultTruncated": "true" if more and not pages else "false",
    }
    return body | ({"$skipToken": _token(query.skip + len(page), query.kql)} if pages else {})


def _token(offset: int, kql: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, _digest(kql)]).encode()).decode()


def _offset(token: str, kql: str) -> int:
    try:
        offset, digest = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        message = "$skipToken is not one that this service gave"
        raise InvalidQueryError(message) from error
    if digest != _digest(kql) or not isinstance(offset, int):
        message = "$skipToken belongs to another query"
        raise InvalidQueryError(message)
    return offset


def _digest(kql: str) -> str:
    return hashlib.sha256(kql.encode()).hexdigest()[:16]


def _invalid(problem: str, now: datetime, quota: dict[str, str]) -> Refused:
    return Refused(
        400,
        "BadRequest",
        f"Please provide below info when asking for support: timestamp = {offset_time(now)}.",
        headers=quota,
        details=[
            {"code": "InvalidQuery", "message": "Query is invalid. Please refer to the documentation for KQL."},
            {"code": "ParserFailure", "message": problem[:1000]},
        ],
    )
