"""What the help of a command shows for ``jq`` names fields that are there: one that is not selects all, or nothing."""

from __future__ import annotations

import pkgutil
import re
from dataclasses import fields, is_dataclass
from importlib import import_module

import spot_responder.commands
import spot_responder.operators.views


def modules(package: str, path: list[str]) -> list[object]:
    """Import all modules of a package."""
    return [import_module(f"{package}.{each.name}") for each in pkgutil.iter_modules(path)]


def test_each_field_that_an_example_names_is_there() -> None:
    """By the names of the views' fields, which are the keys of ``--json``."""
    views = modules("spot_responder.operators.views", list(spot_responder.operators.views.__path__))
    known = {
        field.name for module in views for each in vars(module).values() if is_dataclass(each) for field in fields(each)
    }
    commands = modules("spot_responder.commands", list(spot_responder.commands.__path__))
    helps = [getattr(command, "EXAMPLES", "") for command in commands]
    asked = [expression for text in helps for expression in re.findall(r"jq (?:-r )?'([^']+)'", text)]
    assert len(asked) >= 2
    assert [name for expression in asked for name in re.findall(r"\.([a-z_]+)", expression) if name not in known] == []
