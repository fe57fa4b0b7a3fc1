"""The versions of the API that each resource type has in Azure, and ARM's answer to any other.

The lists are those that Azure's own refusals name in public reports, up to the newest that an SDK or az uses.
"""

from __future__ import annotations

import re
from typing import Final

from localazure.world.azure_errors import Refused

_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")

# Those of ARM's own types (subscriptions, groups, tags).
_ARM: Final = (
    "2014-04-01,2015-01-01,2015-11-01,2016-02-01,2016-06-01,2016-07-01,2016-09-01,2017-03-01,2017-05-01,2017-05-10,"
    "2017-06-01,2017-08-01,2017-12-01,2018-01-01,2018-02-01,2018-05-01,2018-06-01,2018-07-01,2018-08-01,2018-09-01,"
    "2018-11-01,2019-03-01,2019-05-01,2019-05-10,2019-06-01,2019-07-01,2019-08-01,2019-09-01,2019-10-01,2019-11-01,"
    "2020-01-01,2020-05-01,2020-06-01,2020-07-01,2020-08-01,2020-09-01,2020-10-01,2021-01-01,2021-04-01,2022-01-01,"
    "2022-05-01,2022-06-01,2022-09-01,2022-12-01,2023-07-01,2024-03-01,2024-07-01,2024-11-01,2025-03-01,2025-04-01"
)
_COMPUTE: Final = (
    "2015-05-01-preview,2015-06-15,2016-03-30,2016-04-30-preview,2016-08-30,2017-03-30,2017-12-01,2018-04-01,"
    "2018-06-01,2018-10-01,2019-03-01,2019-07-01,2019-12-01,2020-06-01,2020-12-01,2021-03-01,2021-04-01,2021-07-01,"
    "2021-11-01,2022-03-01,2022-08-01,2022-11-01,2023-03-01,2023-07-01,2023-09-01,2024-03-01,2024-07-01,2024-11-01,"
    "2025-04-01,2025-11-01,2026-04-01"
)
_NETWORK: Final = (
    "2015-06-15,2016-03-30,2016-09-01,2016-12-01,2017-03-01,2017-06-01,2017-08-01,2017-10-01,2017-11-01,2018-01-01,"
    "2018-02-01,2018-04-01,2018-06-01,2018-08-01,2018-10-01,2018-11-01,2018-12-01,2019-02-01,2019-04-01,2019-06-01,"
    "2019-07-01,2019-08-01,2019-09-01,2019-11-01,2019-12-01,2020-03-01,2020-04-01,2020-05-01,2020-06-01,2020-07-01,"
    "2020-08-01,2020-11-01,2021-02-01,2021-03-01,2021-05-01,2021-08-01,2022-01-01,2022-05-01,2022-07-01,2022-09-01,"
    "2022-11-01,2023-02-01,2023-04-01,2023-05-01,2023-06-01,2023-09-01,2023-11-01,2024-01-01,2024-03-01,2024-05-01,"
    "2024-07-01,2024-10-01,2025-01-01,2025-03-01,2025-05-01,2025-09-01"
)
_VERSIONS: Final = {
    "Microsoft.Compute": _COMPUTE,
    "Microsoft.Network": _NETWORK,
    "Microsoft.ResourceGraph": (
        "2018-09-01-preview,2019-04-01,2020-04-01-preview,2021-03-01,2021-06-01-preview,2022-10-01,2024-04-01"
    ),
    "Microsoft.EventGrid": (
        "2018-01-01,2019-01-01,2019-06-01,2020-04-01-preview,2020-06-01,2020-10-15-preview,2021-06-01-preview,"
        "2021-12-01,2022-06-15,2023-06-01-preview,2023-12-15-preview,2024-06-01-preview,2024-12-15-preview,2025-02-15"
    ),
    "Microsoft.Authorization": (
        "2014-07-01-preview,2015-07-01,2016-07-01,2017-05-01,2018-01-01-preview,2018-07-01,2018-09-01-preview,"
        "2020-04-01-preview,2020-05-01,2020-08-01-preview,2022-04-01,2022-05-01-preview"
    ),
    "Microsoft.Storage": "2021-09-01,2022-09-01,2023-01-01,2023-05-01,2024-01-01,2025-01-01,2025-06-01,2025-08-01",
    "Microsoft.ResourceHealth": (
        "2015-01-01,2017-07-01,2018-07-01,2018-08-01-preview,2020-05-01,2022-05-01,2022-10-01,2023-10-01-preview,"
        "2024-02-01,2025-05-01"
    ),
}


def check_version(kind: str, version: str, location: str) -> None:
    """Let a version pass that the resource type ``kind`` has.

    Raises:
        Refused: 400, in ARM's words.
    """
    provider, _, type_name = kind.partition("/")
    has = _VERSIONS.get(provider, _ARM).split(",")
    if version in has:
        return
    if provider not in _VERSIONS or not _DATED.fullmatch(version):
        known = ",".join(reversed(_ARM.split(",")))
        message = f"The api-version '{version}' is invalid. The supported versions are '{known}'."
        raise Refused(400, "InvalidApiVersionParameter", message)
    raise Refused(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '{location}' and API version '{version}' for type "
        f"'{type_name}'. The supported api-versions are '{', '.join(has)}'. The supported locations are "
        f"'{location}'.",
    )
