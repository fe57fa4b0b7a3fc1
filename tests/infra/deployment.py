"""What a compiled template would deploy: every resource, in its subscription and resource group, with its values.

The template is carried out as Azure would, but for Azure: conditions, loops and modules are resolved, and what only
Azure could know stays ``Unknown``. So a test reads what is deployed, not how Bicep writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tests.infra.expressions import PURE, ExpressionError, Unknown, member, names_of, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.infra.expressions import Node, Value

HOME: Final = "00000000-0000-4000-8000-000000000001"
_MODULE: Final = "Microsoft.Resources/deployments"
_OWN: Final = "__bicep."
"""How a template calls functions of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is deployed: a subscription, or a resource group of it."""

    subscription: str
    group: str | None = None

    @property
    def address(self) -> str:
        """The resource id of the subscription or group."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is deployed. ``scope`` is set where it is one about another resource, as a role assignment is."""

    type: str
    name: str
    place: Place
    body: Mapping[str, Value]

    @property
    def scope(self) -> str:
        """The resource id of what it is about."""
        return str(self.body.get("scope", self.place.address))

    @property
    def properties(self) -> Mapping[str, Value]:
        """Its properties."""
        properties: Mapping[str, Value] = self.body["properties"]
        return properties


@dataclass(slots=True)
class Deployment:
    """One template at one place: the main one, or a module."""

    template: Mapping[str, Value]
    parameters: Mapping[str, Value]
    place: Place
    name: str = "main"
    modules: dict[str, Deployment] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)

    def output(self, name: str) -> Value:
        """Evaluate an output."""
        return _Evaluation(self).value(self.template["outputs"][name]["value"])

    def everything(self) -> Iterator[Resource]:
        """Give its resources and those of its modules."""
        yield from self.resources
        for module in self.modules.values():
            yield from module.everything()

    def nested(self) -> Iterator[Deployment]:
        """Give all modules, and theirs."""
        for module in self.modules.values():
            yield module
            yield from module.nested()


def deploy(template: Mapping[str, Value], parameters: Mapping[str, Value], group: str | None = None) -> Deployment:
    """Carry out the template of a subscription or, if named, of a resource group.

    ``parameters`` are values by name, without those left at their default.
    """
    deployment = Deployment(template, parameters, Place(HOME, group))
    _carry_out(deployment)
    return deployment


def _carry_out(deployment: Deployment) -> None:
    given = set(deployment.parameters)
    unknown = given - set(deployment.template.get("parameters", {}))
    if unknown:
        message = f"{deployment.name}: no such parameters: {sorted(unknown)}"
        raise ExpressionError(message)
    # Modules are carried out in the order of their dependencies; Bicep writes symbols in any order.
    waiting = {symbol: body for symbol, body in _by_symbol(deployment.template).items() if not body.get("existing")}
    while waiting:
        ready = [symbol for symbol, body in waiting.items() if not _needs(body) & set(waiting)]
        if not ready:
            message = f"{deployment.name}: these wait for each other: {sorted(waiting)}"
            raise ExpressionError(message)
        for symbol in ready:
            _carry_out_one(deployment, symbol, waiting.pop(symbol))


def _by_symbol(template: Mapping[str, Value]) -> dict[str, Value]:
    """Give the resources of a template: by symbol, or, in the older form, one after the other."""
    resources = template["resources"]
    return dict(resources) if isinstance(resources, dict) else {str(at): body for at, body in enumerate(resources)}


def _needs(body: Mapping[str, Value]) -> set[str]:
    """Symbols that a resource waits for; an element of a loop is written ``[format('watch[{0}]', copyIndex())]``."""
    return {name.removeprefix("[format('").split("[", 1)[0] for name in body.get("dependsOn", [])}


def _carry_out_one(deployment: Deployment, symbol: str, body: Mapping[str, Value]) -> None:
    whole = _Evaluation(deployment)
    # Unlike a resource's, a loop's condition may name the loop's index.
    count = whole.value(body["copy"]["count"]) if "copy" in body else None
    for index in range(1 if count is None else count):
        evaluation = replace(whole, index=index)
        if not evaluation.value(body.get("condition", True)):
            continue
        key = symbol if count is None else f"{symbol}[{index}]"
        if body["type"] == _MODULE:
            deployment.modules[key] = _module(evaluation, body)
        else:
            deployment.resources.append(_resource(evaluation, body))


def _module(evaluation: _Evaluation, body: Mapping[str, Value]) -> Deployment:
    here = evaluation.deployment.place
    subscription = evaluation.value(body.get("subscriptionId", here.subscription))
    group = evaluation.value(body.get("resourceGroup", None if "subscriptionId" in body else here.group))
    parameters = {
        name: evaluation.value(given)["value"] for name, given in body["properties"].get("parameters", {}).items()
    }
    module = Deployment(
        body["properties"]["template"], parameters, Place(subscription, group), evaluation.value(body["name"])
    )
    _carry_out(module)
    return module


def _resource(evaluation: _Evaluation, body: Mapping[str, Value]) -> Resource:
    left = {name: value for name, value in body.items() if name not in {"copy", "condition", "dependsOn"}}
    values = evaluation.value(left)
    return Resource(values["type"], values["name"], evaluation.deployment.place, values)


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """Evaluates within one deployment, at one turn of a loop, inside any lambdas."""

    deployment: Deployment
    index: int = 0
    locals: Mapping[str, Value] = field(default_factory=dict)

    def value(self, written: Value) -> Value:
        """Evaluate what a template holds: expressions within objects and arrays, too."""
        if isinstance(written, dict):
            loops = {one["name"]: one for one in written.get("copy", [])}
            plain = {self.value(name): self.value(one) for name, one in written.items() if not loops or name != "copy"}
            return plain | {name: self._loop(one) for name, one in loops.items()}
        if isinstance(written, list):
            return [self.value(value) for value in written]
        # Parameters' values hold no expressions: only what stands in the template is evaluated.
        if isinstance(written, str) and written.startswith("[") and written.endswith("]"):
            return written[1:] if written.startswith("[[") else self.of(parse(written[1:-1]))
        return written

    def _loop(self, written: Mapping[str, Value]) -> list[Value]:
        """Evaluate a property that is written as a loop."""
        return [replace(self, index=index).value(written["input"]) for index in range(self.value(written["count"]))]

    def of(self, node: Node) -> Value:
        """Evaluate an expression that has been read."""
        match node:
            case ("literal", value):
                return value
            case ("get", of, key):
                return member(self.of(of), self.of(key))
            case ("call", "if", [condition, then, otherwise]):
                return self.of(then if self.of(condition) else otherwise)
            case ("call", "or", arguments):
                return any(self.of(argument) for argument in arguments)
            case ("call", "and", arguments):
                return all(self.of(argument) for argument in arguments)
            case ("call", "map", [array, ("call", "lambda", [name, body])]):
                return [self._with(name, item).of(body) for item in self.of(array)]
            case ("call", "filter", [array, ("call", "lambda", [name, body])]):
                return [item for item in self.of(array) if self._with(name, item).of(body)]
            case ("call", str() as function, arguments) if function.startswith(_OWN):
                return self._call_own(function, [self.of(argument) for argument in arguments])
            case ("call", str() as function, arguments):
                return self._call(function, [self.of(argument) for argument in arguments])
        message = f"{self.deployment.name}: not understood: {node}"
        raise ExpressionError(message)

    def _with(self, name: Node, item: Value) -> _Evaluation:
        return replace(self, locals={**self.locals, name[1]: item})

    def _call_own(self, function: str, arguments: list[Value]) -> Value:
        """Call a function of the template itself, which sees its arguments and nothing else."""
        here = self.deployment
        [namespace] = here.template["functions"]
        written = namespace["members"][function.removeprefix(_OWN)]
        given = {one["name"]: value for one, value in zip(written["parameters"], arguments, strict=True)}
        within = {"functions": here.template["functions"], "parameters": {}, "variables": {}}
        return _Evaluation(Deployment(within, given, here.place, function)).value(written["output"]["value"])

    def _call(self, function: str, arguments: list[Value]) -> Value:
        of_place: Mapping[str, Callable[..., Value]] = {
            "copyIndex": lambda _loop="": self.index,
            "deployment": lambda: {"name": self.deployment.name},
            "deployer": lambda: {"objectId": Unknown("deployer")},
            "environment": lambda: {
                "resourceManager": "https://management.azure.com/",
                "suffixes": {"storage": "core.windows.net"},
            },
            "lambdaVariables": lambda name: self.locals[name],
            "parameters": self._parameter,
            "reference": self._reference,
            "resourceGroup": lambda: {
                "id": self.deployment.place.address,
                "location": "westeurope",
                "name": self.deployment.place.group,
            },
            "resourceId": self._resource_id,
            "subscription": lambda: {"id": self._subscription, "subscriptionId": self.deployment.place.subscription},
            "subscriptionResourceId": lambda *parts: "/".join([self._subscription, *names_of(*parts)]),
            "tenant": lambda: {"tenantId": Unknown("tenant")},
            "variables": self._variable,
        }
        found = PURE.get(function) or of_place.get(function)
        if found is None:
            message = f"{self.deployment.name}: not a function that is known here: {function}"
            raise ExpressionError(message)
        return found(*arguments)

    @property
    def _subscription(self) -> str:
        return Place(self.deployment.place.subscription).address

    def _parameter(self, name: str) -> Value:
        if name in self.deployment.parameters:
            return self.deployment.parameters[name]
        return _Evaluation(self.deployment).value(self.deployment.template["parameters"][name]["defaultValue"])

    def _variable(self, name: str) -> Value:
        return _Evaluation(self.deployment).value(self.deployment.template["variables"][name])

    def _reference(self, what: str, *_version: str) -> Value:
        module = self.deployment.modules.get(what)
        if module is None:
            return Unknown(f"reference({self.deployment.place.address}, {self.deployment.name}: {what})")
        outputs = module.template.get("outputs", {})
        return {"outputs": {name: {"value": module.output(name)} for name in outputs}}

    def _resource_id(self, *parts: str) -> str:
        at = next(index for index, part in enumerate(parts) if "/" in part)
        here = self.deployment.place
        group = parts[at - 1] if at > 0 else here.group
        # The longest form names the subscription before the group.
        subscription = parts[0] if at > 1 else here.subscription
        return "/".join([Place(subscription, group).address, *names_of(*parts[at:])])
