"""The rights of the identity that may change sizes: as docs/rights.md tells them, and no more."""

from __future__ import annotations

import json
from pathlib import Path

from localazure.resource_manager.roles import RESIZER_ROLES, RESPONDER_ROLE, read_role

REPOSITORY = Path(__file__).resolve().parents[2]
SECTION = (REPOSITORY / "docs" / "rights.md").read_text(encoding="utf-8").partition("## 6. ")[2]
WRITE = "Microsoft.Compute/virtualMachines/write"


def test_each_role_is_in_the_table_with_what_it_may_do_besides_reading_vms() -> None:
    """Whoever assigns it has read what it can do."""
    for path in RESIZER_ROLES:
        assert str(path.relative_to(REPOSITORY)) in SECTION
    of_vms, of_lists = (read_role(path) for path in RESIZER_ROLES)
    assert [action for action in of_vms.actions if not action.endswith("/read")] == [WRITE]
    assert f"`{WRITE}`" in SECTION
    assert all(f"`{action}`" in SECTION and action.endswith("/read") for action in of_lists.actions)


def test_the_apps_own_identity_may_not_write_a_vm() -> None:
    """Nor does the deployment of the app assign the other roles."""
    assert not read_role(RESPONDER_ROLE).allows(WRITE)
    template = (REPOSITORY / "infra" / "main.json").read_text(encoding="utf-8")
    assert "virtualMachines/write" not in template
    assert json.loads(template)["parameters"]["resizeClientId"]["defaultValue"] == ""
