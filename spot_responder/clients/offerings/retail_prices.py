"""The port to Azure's Retail Prices API: the list prices of one size, all pages of them.

Opened by ``operator_connections.py``, called by ``operators/prices.py``. The API is public: no token goes with a
request (docs/azure-facts.md prices-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest

from spot_responder.clients.sdk_errors import UNREADABLE, refusal, unreadable

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse

_VERSION: Final = "2023-01-01-preview"
_HTTPS: Final = 443
MOST_PAGES: Final = 100
"""A size has some ten rows in a region; where the pages do not end, the price is unknown."""


@dataclass(frozen=True, slots=True)
class RetailPrices:
    """The port to the Retail Prices API at ``endpoint``."""

    endpoint: str
    client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse]

    async def pages(self, location: str, size: str) -> list[object]:
        """Give the pages of a size in a region, which ``offerings/price_pages.py`` reads.

        Links to further pages are followed as they are, on the API's own host only.

        Raises:
            AzureRefusedError: throttled or no answer.
        """
        what = f"tell prices of {size} in {location}"
        pages: list[object] = []
        address = first_page(self.endpoint, location, size)
        while address and len(pages) < MOST_PAGES:
            page = await self._page(address, what)
            pages.append(page)
            address = next_page(self.endpoint, page)
        return pages

    async def _page(self, address: str, what: str) -> object:
        try:
            response = await self.client.send_request(HttpRequest("GET", address))
            if response.status_code != HTTPStatus.OK:
                raise HttpResponseError(response=response)
            page: object = response.json()
        except AzureError as error:
            raise refusal(error, what) from error
        except UNREADABLE as error:
            raise unreadable(error, what) from error
        return page


def first_page(endpoint: str, location: str, size: str) -> str:
    """Give the address of the first page about a size in a region."""
    return f"{endpoint}/api/retail/prices?api-version={_VERSION}&$filter={_filter(location, size)}"


def next_page(endpoint: str, page: object) -> str:
    """Give the address of the page after this one; ``""`` after the last one, or where it is not the API's own."""
    link = page.get("NextPageLink") if isinstance(page, dict) else None
    return link if isinstance(link, str) and _place(link) == _place(endpoint) else ""


def _place(address: str) -> tuple[str, str | None, int] | None:
    """Say where an address leads; the API's own links name the port, even if it is the usual one."""
    try:
        parts = urlsplit(address)
        port = parts.port or _HTTPS
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port


def _filter(location: str, size: str) -> str:
    """Write the filter; values are compared with case, and regions are written in lower case, without blanks."""
    wanted = {
        "serviceName": "Virtual Machines",
        "armRegionName": "".join(location.split()).lower(),
        "armSkuName": size,
    }
    return quote(" and ".join(f"{name} eq '{value.replace("'", "''")}'" for name, value in wanted.items()))
