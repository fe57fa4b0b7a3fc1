"""The app's settings, read once from the environment. What is missing or makes no sense stops the app at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from spot_responder.decisions.policy import LONGEST_DELAY, Policy, RestartWhen
from spot_responder.demand.work_queues import NoWorkQueuesError, WorkQueue, read_work_queues
from spot_responder.text import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG_NAME: Final = re.compile(r"[^<>%&\\?/'\"\x00-\x1f\x7f]{1,512}")
"""The characters that Azure allows in a tag name, without quotes, which a query could not hold."""

DEFAULT_SCHEDULE: Final = "0 */15 * * * *"
"""The default schedule of the sweep: VMs that no event reported are found within a quarter of an hour."""

_SCHEDULE_FIELDS: Final = (59, 59, 23, 31, 12, 7)
"""The largest number in each field: second, minute, hour, day, month, day of the week."""


_QUEUES: Final = "AzureWebJobsStorage__queueServiceUri"
_TABLES: Final = "AzureWebJobsStorage__tableServiceUri"
_DEAD_LETTERS: Final = "DEAD_LETTERS_ENDPOINT"
_RESIZER: Final = "RESIZE_CLIENT_ID"
_TOPIC: Final = "OUTCOMES_TOPIC_ENDPOINT"
_ARM: Final = "https://management.azure.com"
PRICES: Final = "https://prices.azure.com"


class InvalidSettingError(ValueError):
    """A setting is missing or makes no sense; the message names the variable, the value and what is expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable, as the table of docs/operations.md has it; the template's parameter has its name in camel case."""

    name: str
    unit: str
    default: str
    meaning: str


TABLE: Final = (
    Setting(
        _QUEUES,
        "https address",
        "required",
        "where the app's own queues are: `signals`, `agents`, `wakes`; the host uses it too",
    ),
    Setting(
        _TABLES,
        "https address",
        "required",
        "where the tables `recoveries`, `history`, `pools`, `health` and `offerings` are; they must exist",
    ),
    Setting(
        _DEAD_LETTERS,
        "https address",
        "none",
        "the storage account of dead letters; commands and status page read it",
    ),
    Setting("SWEEP_SCHEDULE", "NCRONTAB, six fields", DEFAULT_SCHEDULE, "when the sweep runs: every 15 minutes"),
    Setting("RESTART_TAG", "tag name", "AttemptRestartAfterEviction", "the tag of the VMs that the app covers"),
    Setting(
        "RESTART_WHEN",
        "`unless-stopped`, `evicted`",
        "unless-stopped",
        "`evicted`: a start needs evidence of an eviction, which is an event or a health annotation of Azure, or a"
        " notice of the VM's agent",
    ),
    Setting("RESTARTS_PER_DAY", "count, per VM", "10", "the brake: at most this many restarts within a day"),
    Setting(
        "RESTARTS_PER_HOUR",
        "count, per VM",
        "3",
        "the brake: after this many restarts within an hour the VM stays down",
    ),
    Setting("BRAKE_SECONDS", "seconds", "1800", "the brake: for how long the VM then stays down"),
    Setting(
        "STARTS_PER_HOUR",
        "count, per VM",
        "12",
        "the budget: requests to start the VM or change its size within an hour, whatever their result",
    ),
    Setting(
        "LOOK_AGAIN_SECONDS",
        "seconds",
        "15",
        "the shortest time between two checks while a VM is starting or stopping. "
        "The first check after an accepted start comes after 1.5 times this time. "
        "It is also the first pause after Azure refused a start because of another operation on the VM. "
        "Each further such refusal doubles that pause, up to `CAPACITY_RETRY_MAX_SECONDS`",
    ),
    Setting(
        "CAPACITY_RETRY_SECONDS",
        "seconds",
        "60",
        'the first pause after a refusal for "no capacity", throttling or an unknown reason. '
        "Each further refusal doubles the pause, up to `CAPACITY_RETRY_MAX_SECONDS`, "
        "or, if the reason is unknown, up to `SLOW_RETRY_SECONDS`",
    ),
    Setting(
        "CAPACITY_RETRY_MAX_SECONDS",
        "seconds",
        "900",
        'the longest pause after refusals for "no capacity", throttling, or because of another operation on the VM',
    ),
    Setting(
        "PRICE_RETRY_SECONDS",
        "seconds",
        "3600",
        "the pause after each refusal because the Spot price is above the VM's max price",
    ),
    Setting(
        "SLOW_RETRY_SECONDS",
        "seconds",
        "3600",
        "the pause after each refusal for quota or access; also the longest pause after refusals for an unknown reason",
    ),
    Setting(
        _RESIZER,
        "client id",
        "none",
        "the managed identity that may change sizes of VMs with the tag `SpotFallbackSizes`; none: no size is changed",
    ),
    Setting("DRY_RUN", "`true`, `false`", "false", "decide, log, and remember owners' stops; start nothing"),
    Setting(
        "ARM_ENDPOINT",
        "https address",
        _ARM,
        "Azure Resource Manager of your cloud; a sovereign cloud is untried",
    ),
    Setting(
        "PRICES_ENDPOINT",
        "https address",
        PRICES,
        "Azure's Retail Prices API. It needs no login, and has prices of the public cloud only",
    ),
    Setting(
        "WORK_QUEUES",
        "JSON list",
        "none",
        "the work queues: the app starts VMs with the tag `StartForWork` for their messages (`docs/work-queues.md`)",
    ),
    Setting(_TOPIC, "https address", "none", "an Event Grid custom topic for the events of `docs/events.md`"),
)
"""All settings. Tests hold them to what ``Settings.from_env`` reads, to the template and to the table of the docs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set, read and checked: ``TABLE`` says what each is for."""

    queue_endpoint: str
    table_endpoint: str
    arm_endpoint: str
    outcomes_endpoint: str | None
    dry_run: bool
    policy: Policy
    dead_letters_endpoint: str | None = None
    prices_endpoint: str = PRICES
    resize_client_id: str = ""
    work_queues: tuple[WorkQueue, ...] = ()

    @property
    def is_of_a_laptop(self) -> bool:
        """Whether the app lives in a laptop Azure: that listens on the machine itself."""
        return urlsplit(self.arm_endpoint).hostname in {"127.0.0.1", "localhost", "::1"}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read and check all settings.

        Raises:
            InvalidSettingError: for the first one that is missing or makes no sense.
        """
        _check_schedule("SWEEP_SCHEDULE", env)
        has_topic = env.get(_TOPIC, "").strip()
        work_queues = _work_queues(env)
        return cls(
            queue_endpoint=_endpoint(_QUEUES, env),
            table_endpoint=_endpoint(_TABLES, env),
            arm_endpoint=arm_endpoint(env),
            outcomes_endpoint=_endpoint(_TOPIC, env) if has_topic else None,
            dry_run=_flag("DRY_RUN", env),
            policy=replace(_policy(env), work_queues=frozenset(queue.name for queue in work_queues)),
            work_queues=work_queues,
            prices_endpoint=prices_endpoint(env),
            dead_letters_endpoint=_endpoint(_DEAD_LETTERS, env) if env.get(_DEAD_LETTERS, "").strip() else None,
            resize_client_id=_client_id(_RESIZER, env),
        )


def arm_endpoint(env: Mapping[str, str]) -> str:
    """Read the address of ARM, without a slash at its end.

    Raises:
        InvalidSettingError: if it makes no sense.
    """
    return _endpoint("ARM_ENDPOINT", env, _ARM)


def prices_endpoint(env: Mapping[str, str]) -> str:
    """Read the address of the price list, without a slash at its end.

    Raises:
        InvalidSettingError: if it makes no sense.
    """
    return _endpoint("PRICES_ENDPOINT", env, PRICES)


def _policy(env: Mapping[str, str]) -> Policy:
    default = Policy()
    policy = Policy(
        restart_tag=_tag_name("RESTART_TAG", env, default.restart_tag),
        restart_when=_restart_when("RESTART_WHEN", env, default.restart_when),
        restarts_per_day=_count("RESTARTS_PER_DAY", env, default.restarts_per_day),
        restarts_per_hour=_count("RESTARTS_PER_HOUR", env, default.restarts_per_hour),
        brake=_seconds("BRAKE_SECONDS", env, default.brake),
        starts_per_hour=_count("STARTS_PER_HOUR", env, default.starts_per_hour),
        look_again=_seconds("LOOK_AGAIN_SECONDS", env, default.look_again),
        capacity_retry=_seconds("CAPACITY_RETRY_SECONDS", env, default.capacity_retry),
        capacity_retry_max=_seconds("CAPACITY_RETRY_MAX_SECONDS", env, default.capacity_retry_max),
        price_retry=_seconds("PRICE_RETRY_SECONDS", env, default.price_retry),
        slow_retry=_seconds("SLOW_RETRY_SECONDS", env, default.slow_retry),
        resizes=bool(_client_id(_RESIZER, env)),
    )
    if policy.capacity_retry_max < policy.capacity_retry:
        name = "CAPACITY_RETRY_MAX_SECONDS"
        longest = f"{policy.capacity_retry_max.total_seconds():g}"
        raise _invalid(name, longest, "no less than CAPACITY_RETRY_SECONDS")
    return policy


def _work_queues(env: Mapping[str, str]) -> tuple[WorkQueue, ...]:
    name = "WORK_QUEUES"
    text = env.get(name, "")
    try:
        return read_work_queues(text)
    except NoWorkQueuesError as expected:
        raise _invalid(name, shortened(text, 200), str(expected)) from None


def _invalid(name: str, value: str, expected: str) -> InvalidSettingError:
    return InvalidSettingError(f"setting {name} is {value!r}: expected {expected}")


def _endpoint(name: str, env: Mapping[str, str], default: str = "") -> str:
    expected = "an https address"
    value = env.get(name, "").strip() or default
    if not value:
        message = f"setting {name} is missing: expected {expected}"
        raise InvalidSettingError(message)
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading the port checks it
    except ValueError:
        raise _invalid(name, _without_secrets(value), expected) from None
    # Azure's SDKs send tokens over TLS only; an address with credentials or a query is some other thing.
    # A blank or a line break would be sent as it is, or not at all.
    is_odd = not value.isprintable() or " " in value or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "https" or not parts.hostname or is_odd:
        raise _invalid(name, _without_secrets(value), expected)
    return value.rstrip("/")


def _without_secrets(value: str) -> str:
    """Cut credentials, signatures and what follows the first name of a connection string."""
    return re.split(r"[?#;=&]", re.sub(r"//.*@", "//", value), maxsplit=1)[0]


def _check_schedule(name: str, env: Mapping[str, str]) -> None:
    """Check what the Functions host will read; it is the host that knows the whole grammar."""
    value = env.get(name, "").strip()
    fields = value.split()
    if value and not (len(fields) == len(_SCHEDULE_FIELDS) and all(map(_is_schedule_field, fields, _SCHEDULE_FIELDS))):
        raise _invalid(name, value, f"a six-field NCRONTAB schedule such as '{DEFAULT_SCHEDULE}'")


def _is_schedule_field(field: str, largest: int) -> bool:
    parts = re.split(r"[,/-]", field)
    return all(
        part == "*" or (part.isdecimal() and int(part) <= largest) or re.fullmatch("[A-Za-z]{3}", part)
        for part in parts
    )


def _flag(name: str, env: Mapping[str, str]) -> bool:
    value = env.get(name, "").strip().lower() or "false"
    if value not in {"true", "false"}:
        raise _invalid(name, env[name], "true or false")
    return value == "true"


def _tag_name(name: str, env: Mapping[str, str], default: str) -> str:
    value = env.get(name, "").strip() or default
    if not _TAG_NAME.fullmatch(value):
        raise _invalid(name, value, "a tag name as Azure allows it, without quotes")
    return value


def _restart_when(name: str, env: Mapping[str, str], default: RestartWhen) -> RestartWhen:
    value = env.get(name, "").strip().lower() or default
    if value not in RestartWhen:
        raise _invalid(name, env[name], " or ".join(RestartWhen))
    return RestartWhen(value)


def _client_id(name: str, env: Mapping[str, str]) -> str:
    value = env.get(name, "").strip()
    if value and not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        raise _invalid(name, value, "the client id of a managed identity, such as 00000000-0000-0000-0000-000000000000")
    return value


def _count(name: str, env: Mapping[str, str], default: int) -> int:
    value = env.get(name, "").strip() or str(default)
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < 1:
        raise _invalid(name, value, "a whole number from 1 up")
    return int(value)


def _seconds(name: str, env: Mapping[str, str], default: timedelta) -> timedelta:
    value = env.get(name, "").strip() or f"{default.total_seconds():g}"
    limit = LONGEST_DELAY.total_seconds()
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or not 0 < float(value) <= limit:
        raise _invalid(name, value, f"seconds, more than 0 and at most {limit:g}")
    return timedelta(seconds=float(value))
