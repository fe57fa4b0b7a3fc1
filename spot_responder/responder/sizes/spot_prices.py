"""Today's Spot prices, asked of Azure's price list once in a while. For ``offerings.py`` and ``max_prices.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spot_responder.offerings.noted import Kind, OddNoteError, price_of_text, price_text
from spot_responder.offerings.prices import Asked
from spot_responder.responder.sizes.answers import OutError, key_of
from spot_responder.responder.sizes.azure_lists import read_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.offerings.prices import Os
    from spot_responder.responder.ports import PriceList
    from spot_responder.responder.sizes.answers import Answers


@dataclass(frozen=True, slots=True)
class SpotPrices:
    """Spot prices in USD an hour; one for the whole process."""

    price_list: PriceList
    answers: Answers

    async def of(self, location: str, size: str, os: Os | None) -> float | None:
        """Give the Spot price of a size; ``None`` where Azure does not tell it.

        Raises:
            AzureRefusedError: if the price list did not answer, now or within the last minute.
        """
        if os is None:
            # Windows costs more: without the system there is no price.
            return None
        key, asked = key_of(Kind.SPOT_PRICE, location, size, os), Asked(location, size, os, self.answers.clock())

        async def ask() -> Mapping[str, str]:
            price = (await read_prices(asked, self.price_list)).spot
            return {} if price is None else {key: price_text(price)}

        try:
            return price_of_text(await self.answers.text(Kind.SPOT_PRICE, key, key, ask))
        except OutError as out:
            if out.refusal is not None:
                raise out.refusal from out
            return None
        except OddNoteError:
            return None
