"""Writes one way to deploy as a plain template, for scanners: checkov reads neither our Bicep nor symbolic names.

``python -m tests.infra.flat_template queue > flat.json``, then
``checkov -f flat.json --config-file infra/checkov.yaml``.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.infra.ways import WAYS, deployed

if TYPE_CHECKING:
    from tests.infra.expressions import Value


def flat_template(way: str) -> dict[str, Value]:
    """Give everything that is deployed as one list of resources, with every value filled in."""
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [dict(one.body) for one in deployed(way).everything()],
    }


if __name__ == "__main__":
    if sys.argv[1:2] not in [[way] for way in WAYS]:
        sys.exit(f"usage: python -m tests.infra.flat_template {'|'.join(WAYS)}")
    json.dump(flat_template(sys.argv[1]), sys.stdout, indent=2)
