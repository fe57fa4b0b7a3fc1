"""What storage and identity say, as an operator is told it: at which address, by which setting, and what to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableErrorCode

from spot_responder.clients.logins import NoTokenError
from spot_responder.clients.operator_errors import could_not_look
from spot_responder.decisions.policy import Policy
from spot_responder.settings import Settings

ACCOUNT = "https://spotresponder"
SETTINGS = Settings(
    queue_endpoint=f"{ACCOUNT}.queue.core.windows.net",
    table_endpoint=f"{ACCOUNT}.table.core.windows.net",
    arm_endpoint="https://management.azure.com",
    outcomes_endpoint=None,
    dry_run=False,
    policy=Policy(),
    dead_letters_endpoint="https://spotresponderdead.blob.core.windows.net",
)


def refused_by(host: str, port: int) -> OSError:
    """Give what aiohttp raises where nobody takes the connection."""
    error = OSError(111, "Connect call failed")
    error.host, error.port = host, port  # type: ignore[attr-defined]  # as aiohttp's ClientConnectorError has them
    return error


def answered(status: int, url: str, code: object = None) -> HttpResponseError:
    """Give what an SDK raises after an answer."""
    request = SimpleNamespace(url=url)
    response: Any = SimpleNamespace(
        status_code=status, reason="", request=request, headers={}, text=lambda: "", content_type="text/plain"
    )
    error = HttpResponseError(response=response)
    if code is not None:
        error.error_code = code  # type: ignore[attr-defined]  # set by the storage SDKs
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            NoTokenError(
                "DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
                "Attempted credentials:\n\tEnvironmentCredential: Environment variables are not fully configured."
                "\n\tAzureCliCredential: Please run 'az login' to set up an account"
            ),
            (
                "nobody is logged in, or not for long enough (AzureCliCredential: Please run 'az login' to set up an "
                "account): run `az login`, then try again"
            ),
        ),
        (
            answered(404, f"{SETTINGS.table_endpoint}/recoveries()?$top=1", TableErrorCode.TABLE_NOT_FOUND),
            (
                "nothing is deployed at https://spotresponder.table.core.windows.net (TableNotFound): "
                "is AzureWebJobsStorage__tableServiceUri that of the app?"
            ),
        ),
        (
            answered(403, f"{SETTINGS.queue_endpoint}/signals-poison", "AuthorizationPermissionMismatch"),
            (
                "this login may not do that at https://spotresponder.queue.core.windows.net "
                "(AuthorizationPermissionMismatch): have Storage Queue Data Reader (to act: Contributor) assigned to it"
            ),
        ),
        (
            answered(401, "https://management.azure.com/subscriptions"),
            "this login may not do that at https://management.azure.com (401): have Reader assigned to it",
        ),
        (
            answered(503, f"{SETTINGS.queue_endpoint}/signals", "ServerBusy"),
            "https://spotresponder.queue.core.windows.net answered ServerBusy: try again",
        ),
        (
            ServiceRequestError("Cannot connect", error=refused_by("spotresponder.queue.core.windows.net", 443)),
            (
                "nobody answers at https://spotresponder.queue.core.windows.net: "
                "is AzureWebJobsStorage__queueServiceUri right, and is the network there?"
            ),
        ),
        (
            answered(403, f"{SETTINGS.dead_letters_endpoint}/event-dead-letters", "AuthorizationPermissionMismatch"),
            (
                "this login may not do that at https://spotresponderdead.blob.core.windows.net "
                "(AuthorizationPermissionMismatch): have Storage Blob Data Reader (to act: Contributor) assigned to it"
            ),
        ),
        (
            answered(404, f"{SETTINGS.dead_letters_endpoint}/event-dead-letters", "ContainerNotFound"),
            (
                "nothing is deployed at https://spotresponderdead.blob.core.windows.net (ContainerNotFound): "
                "is DEAD_LETTERS_ENDPOINT that of the app?"
            ),
        ),
        (
            ServiceRequestError("Cannot connect", error=refused_by("elsewhere", 8443)),
            "nobody answers at https://elsewhere:8443: is the address right, and is the network there?",
        ),
        (
            ServiceResponseError("Server disconnected"),
            "Azure cannot be reached (Server disconnected): is the address right, and is the network there?",
        ),
    ],
)
def test_an_error_names_the_address_that_was_asked_and_the_setting(error: AzureError, told: str) -> None:
    """In one line, whatever the SDK says at length."""
    assert str(could_not_look(error, SETTINGS)) == told
