"""Lets a person change the running world from another terminal: ``make evict VM=name`` and others.

``run.py`` listens; ``commands.py`` sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from aiohttp import web

from localazure.guests.notices import read_notice
from localazure.runtime.azurite import WORK_ACCOUNT
from localazure.world.azure_errors import Refused
from localazure.world.machines import PowerState
from localazure.world.sizes import SIZES
from localazure.world.world import OWNER, NoSuchMachineError
from spot_responder.offerings.amounts import amount_of
from spot_responder.offerings.fallback_tag import LONGEST_VALUE, TAG, read_fallback_sizes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from localazure.guests.notices import Notice
    from localazure.laptop import Laptop

    type Action = Callable[[Laptop, str], str]
    type Setting = Callable[[Laptop, str, str], str]

ADDRESS_FILE: Final = "control-address"
_ANSWER_WITHIN_S: Final = 5
_OFFERED: Final = tuple(size.name for size in SIZES)
NOBODY: Final = "no laptop Azure is running here: start one with `make run` in another terminal"


class ControlError(RuntimeError):
    """What was asked for cannot be done; the message says why and what to do."""


def control_application(laptop: Laptop) -> web.Application:
    """Take ``POST /evict/NAME``, ``/stop/NAME``, ``/start/NAME``, ``/empty/SIZE``, ``/fill/SIZE``, ``/wake/QUEUE``.

    ``/evict/NAME?notice=10`` announces it inside the VM first; see ``notices.py``. ``/fallback/NAME?value=SIZES`` and
    ``/price/SIZE?value=USD`` take what is to be.
    """

    async def move(request: web.Request) -> web.Response:
        asked, value = request.match_info["action"], request.query.get("value", "")
        setting = _SETTINGS.get(asked)
        action = _ACTIONS.get(asked) if setting is None else lambda laptop, name: setting(laptop, name, value)
        if action is None:
            return web.Response(status=404, text=f"nothing to do is called {request.match_info['action']!r}")
        laptop.world.advance(laptop.clock.now())
        try:
            name, notice = request.match_info["name"], read_notice(request.query.get("notice", "none"))
            if action is _wake:
                await laptop.wakes.send_message(f"{WORK_ACCOUNT}/{name}")
            return web.Response(
                text=action(laptop, name) if notice is None else _announce(laptop, action, name, notice)
            )
        except (NoSuchMachineError, Refused, ValueError) as problem:
            return web.Response(status=409, text=str(problem))

    application = web.Application()
    application.router.add_post("/{action}/{name}", move)
    return application


def ask(folder: Path, action: str, name: str, notice: str = "none", value: str = "") -> str:
    """Ask the running world for a move; give its answer. ``notice``: how an eviction is announced.

    ``value``: of what is set, such as a price.

    Raises:
        ControlError: if no world is running, or it refuses.
    """
    try:
        address = (folder / ADDRESS_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ControlError(NOBODY) from None
    path = f"/{action}/{quote(name, safe='')}?{urlencode({'notice': notice, 'value': value})}"
    request = Request(f"{address}{path}", method="POST")  # noqa: S310 - an address that we wrote ourselves
    try:
        with urlopen(request, timeout=_ANSWER_WITHIN_S) as answer:  # noqa: S310 - see above
            return str(answer.read().decode())
    except HTTPError as error:
        raise ControlError(error.read().decode()) from None
    except (URLError, TimeoutError):
        raise ControlError(NOBODY) from None


def _evict(laptop: Laptop, name: str) -> str:
    laptop.world.evict(name)
    return f"{name} is being evicted"


def _announce(laptop: Laptop, action: Action, name: str, notice: Notice) -> str:
    if action is not _evict:
        message = "only an eviction comes with notice"
        raise ValueError(message)
    laptop.announcements.evict(name, notice)
    told = "it is shown as started" if notice.as_started else f"it is told {notice.lead.seconds} seconds before"
    return f"{name} is to be evicted: {told}"


def _stop(laptop: Laptop, name: str) -> str:
    laptop.world.stop_by_owner(name)
    return f"{name} is being stopped by its owner"


def _start(laptop: Laptop, name: str) -> str:
    machine = laptop.world.existing(name)
    if machine.power_state is PowerState.RUNNING:
        return f"{name} runs already"
    laptop.world.start(machine, OWNER)
    return f"{name} is being started by its owner"


def _empty(laptop: Laptop, size: str) -> str:
    return _set_capacity(laptop, size, 0, "there is no capacity any more")


def _fill(laptop: Laptop, size: str) -> str:
    return _set_capacity(laptop, size, None, "there is plenty of capacity")


def _wake(_laptop: Laptop, queue: str) -> str:
    return f"the app is told to look at the work queue {WORK_ACCOUNT}/{queue}"


def _set_capacity(laptop: Laptop, size: str, free: int | None, what: str) -> str:
    spelled = _spelled(laptop, size)
    for pool in {machine.pool._replace(size=spelled) for machine in laptop.world.machines()}:
        laptop.world.set_capacity(pool, free)
    return f"{spelled}: {what}"


def _spelled(laptop: Laptop, size: str) -> str:
    """Give a size that a VM has, or may come back as, as it is spelled there."""
    sizes = {one.lower(): one for one in sorted({*(each.size for each in laptop.world.machines()), *_OFFERED})}
    if size.lower() not in sizes:
        message = f"no VM could have the size {size!r}; name one of: {', '.join(sizes.values())}"
        raise ValueError(message)
    return sizes[size.lower()]


def _name_sizes(laptop: Laptop, name: str, sizes: str) -> str:
    """Let the owner write the tag, or take it off."""
    machine = laptop.world.existing(name)
    if len(sizes) > LONGEST_VALUE:
        message = f"a tag holds {LONGEST_VALUE} characters at most, and these are {len(sizes)}: name fewer sizes"
        raise ValueError(message)
    tags = {each: value for each, value in machine.tags.items() if each.lower() != TAG.lower()}
    tags |= {TAG: sizes} if sizes else {}
    laptop.world.update(machine, OWNER, tags, machine.size, machine.max_price)
    read = read_fallback_sizes(tags)
    return read.problem or f"{name} may come back as: {', '.join(read.sizes) or 'its own size only'}"


def _set_price(laptop: Laptop, size: str, usd: str) -> str:
    spelled = _spelled(laptop, size)
    try:
        price = amount_of(float(usd))
    except ValueError:
        price = None
    if not price:
        message = f"{usd!r} is no price: give USD an hour, such as 0.03"
        raise ValueError(message)
    for location in sorted({machine.location for machine in laptop.world.machines()}):
        laptop.world.set_price(spelled, location, price)
    return f"{spelled}: its Spot price is {price:g} USD an hour"


_SETTINGS: Final[dict[str, Setting]] = {"fallback": _name_sizes, "price": _set_price}
_ACTIONS: Final[dict[str, Action]] = {
    "evict": _evict,
    "stop": _stop,
    "start": _start,
    "empty": _empty,
    "fill": _fill,
    "wake": _wake,
}
