"""Reads sizes from the answers of Azure's Resource SKUs API. Pure.

``fits.py`` compares a size with a VM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spot_responder.intake.payloads import field, quote, text_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_VM: Final = "virtualmachines"


@dataclass(frozen=True, slots=True)
class Sku:
    """One size in one region, as Azure describes it to one subscription (docs/azure-facts.md skus-1).

    Attributes:
        capabilities: by their names in lower case; Azure gives each value as a text.
        zones: where it is offered and not restricted.
        refused: why the subscription may not have it in the region, in Azure's words; ``""`` where it may.
        odd_restriction: a restriction of a type that is not known here; ``""`` where there is none.
    """

    name: str
    family: str
    capabilities: Mapping[str, str]
    zones: frozenset[str]
    refused: str = ""
    odd_restriction: str = ""

    def number(self, capability: str) -> float | None:
        """Give a capability that is a number; ``None`` where Azure does not tell."""
        try:
            return float(self.capabilities[capability.lower()])
        except (KeyError, ValueError):
            return None

    def flag(self, capability: str) -> bool | None:
        """Give a capability that is ``True`` or ``False``; ``None`` where Azure does not tell."""
        return {"true": True, "false": False}.get(self.capabilities.get(capability.lower(), "").lower())

    def words(self, capability: str) -> frozenset[str]:
        """Give a capability that is a list such as ``V1,V2``, in lower case; empty where Azure does not tell."""
        parts = self.capabilities.get(capability.lower(), "").lower().split(",")
        return frozenset(part.strip() for part in parts if part.strip())


def read_skus(items: Iterable[object], location: str) -> Mapping[str, Sku]:
    """Read the sizes of VMs that a region has, by their names in lower case. What is no such size is left out."""
    skus = [_sku(item, location) for item in items if _is_size(item, location)]
    return {sku.name.lower(): sku for sku in skus if sku.name}


def _is_size(item: object, location: str) -> bool:
    return text_field(item, "resourceType").lower() == _VM and _names(field(item, "locations"), location)


def _sku(item: object, location: str) -> Sku:
    capabilities = {
        text_field(each, "name").lower(): text_field(each, "value") for each in _list(field(item, "capabilities"))
    }
    places = [each for each in _list(field(item, "locationInfo")) if _is(text_field(each, "location"), location)]
    zones = {zone for place in places for zone in _texts(field(place, "zones"))}
    refused, odd = [], []
    for restriction in _list(field(item, "restrictions")):
        kind, reason = text_field(restriction, "type").lower(), text_field(restriction, "reasonCode") or "no reason"
        if kind == "zone":
            zones -= set(_texts(field(restriction, "restrictionInfo", "zones")))
        elif kind == "location":
            refused += [reason] if _concerns(restriction, location) else []
        else:
            odd.append(f"{quote(text_field(restriction, 'type'))} ({reason})")
    return Sku(
        name=text_field(item, "name"),
        family=text_field(item, "family"),
        capabilities=capabilities,
        zones=frozenset(zones),
        refused=", ".join(refused),
        odd_restriction=", ".join(odd),
    )


def _concerns(restriction: object, location: str) -> bool:
    """Whether a restriction is of this region. One that names no region is taken to be of each."""
    named = [*_texts(field(restriction, "restrictionInfo", "locations")), *_texts(field(restriction, "values"))]
    return not named or any(_is(name, location) for name in named)


def _names(locations: object, location: str) -> bool:
    return any(_is(name, location) for name in _texts(locations))


def _is(name: str, location: str) -> bool:
    return "".join(name.split()).lower() == "".join(location.split()).lower()


def _list(value: object) -> Sequence[object]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
