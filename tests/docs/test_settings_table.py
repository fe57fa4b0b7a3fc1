"""Each setting has one row, and what is said elsewhere of it is the same: in the code, the template, and the docs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spot_responder.settings import TABLE, InvalidSettingError, Setting, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIRED = {row.name: "https://account.example" for row in TABLE if row.default == "required"}
WRITTEN = [row for row in TABLE if row.default not in {"required", "none"}]
TEMPLATE: Mapping[str, Mapping[str, object]] = json.loads(
    (REPOSITORY / "infra" / "main.json").read_text(encoding="utf-8")
)["parameters"]
AZD = json.loads((REPOSITORY / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]


class Asked(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """Begin with these."""
        super().__init__(given)
        self.names: set[str] = set()

    def get(self, key: str, default: str = "") -> str:  # type: ignore[override]
        """Note the name."""
        self.names.add(key)
        return super().get(key, default)


def parameter(row: Setting) -> str:
    """Give the template's parameter for a setting: ``RESTART_TAG`` is ``restartTag``."""
    return re.sub(r"_(.)", lambda match: match[1].upper(), row.name.lower())


def test_each_setting_that_is_read_has_a_row() -> None:
    """And no row is of a setting that nobody reads."""
    env = Asked(REQUIRED)
    Settings.from_env(env)
    assert env.names == {row.name for row in TABLE}


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
def test_the_default_is_what_the_table_says(row: Setting) -> None:
    """Written out, it changes nothing."""
    assert Settings.from_env(REQUIRED | {row.name: row.default}) == Settings.from_env(REQUIRED)


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
def test_the_template_has_the_same_default(row: Setting) -> None:
    """As parameter of ``infra/main.bicep``, and as azd gives it."""
    if row.name in {"ARM_ENDPOINT", "PRICES_ENDPOINT"}:
        # Of the cloud that is deployed to: the template asks Azure. The app itself reads no price.
        assert parameter(row) not in TEMPLATE
        return
    default = TEMPLATE[parameter(row)]["defaultValue"]
    assert (str(default).lower() if isinstance(default, bool) else str(default)) == row.default
    assert AZD[parameter(row)]["value"] == f"${{{row.name}={row.default}}}"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_docs_have_the_row(row: Setting) -> None:
    """Name, unit, default and meaning, in one place."""
    default = row.default if row.default in {"required", "none"} or row.default.isdecimal() else f"`{row.default}`"
    line = f"| `{row.name}` | {row.unit} | {default} | {row.meaning} |"
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    assert sum(page.read_text(encoding="utf-8").splitlines().count(line) for page in pages) == 1, line


def test_a_setting_that_makes_no_sense_names_its_variable() -> None:
    """Whatever the unit."""
    for row in TABLE:
        if row.name != "RESTART_TAG":
            with pytest.raises(InvalidSettingError, match=row.name):
                Settings.from_env(REQUIRED | {row.name: "no sense"})
