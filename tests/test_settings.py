"""What an operator may set: the default, a good value, and what stops the app at its start."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from spot_responder.decisions.policy import Policy, RestartWhen
from spot_responder.settings import TABLE as SETTINGS
from spot_responder.settings import InvalidSettingError, Settings

QUEUE = "AzureWebJobsStorage__queueServiceUri"
TABLE = "AzureWebJobsStorage__tableServiceUri"
SCHEDULE = "SWEEP_SCHEDULE"
REQUIRED = {
    QUEUE: "https://account.queue.core.windows.net",
    TABLE: "https://account.table.core.windows.net",
}
SECONDS = {
    "BRAKE_SECONDS": "brake",
    "LOOK_AGAIN_SECONDS": "look_again",
    "CAPACITY_RETRY_SECONDS": "capacity_retry",
    "CAPACITY_RETRY_MAX_SECONDS": "capacity_retry_max",
    "PRICE_RETRY_SECONDS": "price_retry",
    "SLOW_RETRY_SECONDS": "slow_retry",
}
OPTIONAL = [row.name for row in SETTINGS if row.default != "required"]
ENDPOINTS = [QUEUE, TABLE, "ARM_ENDPOINT", "OUTCOMES_TOPIC_ENDPOINT"]


def read(**changed: str) -> Settings:
    """Read the required settings, with some changed."""
    return Settings.from_env(REQUIRED | changed)


def refused(**changed: str) -> str:
    """Give what is said about a setting that is refused."""
    with pytest.raises(InvalidSettingError) as refusal:
        read(**changed)
    return str(refusal.value)


def test_the_required_settings_are_enough() -> None:
    """Everything else has a default."""
    assert read() == Settings(
        queue_endpoint="https://account.queue.core.windows.net",
        table_endpoint="https://account.table.core.windows.net",
        arm_endpoint="https://management.azure.com",
        outcomes_endpoint=None,
        dry_run=False,
        policy=Policy(),
    )


def test_the_defaults_are_those_that_are_told() -> None:
    """The table of settings promises these."""
    assert Policy() == Policy(
        restart_tag="AttemptRestartAfterEviction",
        restart_when=RestartWhen.UNLESS_STOPPED,
        restarts_per_day=10,
        restarts_per_hour=3,
        brake=timedelta(seconds=1800),
        starts_per_hour=12,
        look_again=timedelta(seconds=15),
        capacity_retry=timedelta(seconds=60),
        capacity_retry_max=timedelta(seconds=900),
        price_retry=timedelta(seconds=3600),
        slow_retry=timedelta(seconds=3600),
    )


def test_everything_can_be_set() -> None:
    """Every variable, with blanks around it as they come from portals."""
    given = {
        QUEUE: "https://127.0.0.1:10001/account/",
        TABLE: " https://127.0.0.1:10002/account ",
        "ARM_ENDPOINT": "https://management.usgovcloudapi.net/",
        "OUTCOMES_TOPIC_ENDPOINT": "https://topic.westeurope-1.eventgrid.azure.net/api/events",
        "DRY_RUN": " TRUE ",
        "RESTART_TAG": " Keep Alive ",
        "RESTART_WHEN": "Evicted",
        "RESTARTS_PER_DAY": "3",
        "RESTARTS_PER_HOUR": "2",
        "BRAKE_SECONDS": "90",
        "STARTS_PER_HOUR": "7",
        "LOOK_AGAIN_SECONDS": "0.5",
        "CAPACITY_RETRY_SECONDS": "2",
        "CAPACITY_RETRY_MAX_SECONDS": "2",
        "PRICE_RETRY_SECONDS": "60.25",
        "SLOW_RETRY_SECONDS": "518400",
    }
    assert read(**given) == Settings(
        queue_endpoint="https://127.0.0.1:10001/account",
        table_endpoint="https://127.0.0.1:10002/account",
        arm_endpoint="https://management.usgovcloudapi.net",
        outcomes_endpoint="https://topic.westeurope-1.eventgrid.azure.net/api/events",
        dry_run=True,
        policy=Policy(
            restart_tag="Keep Alive",
            restart_when=RestartWhen.EVICTED,
            restarts_per_day=3,
            restarts_per_hour=2,
            brake=timedelta(seconds=90),
            starts_per_hour=7,
            look_again=timedelta(seconds=0.5),
            capacity_retry=timedelta(seconds=2),
            capacity_retry_max=timedelta(seconds=2),
            price_retry=timedelta(seconds=60.25),
            slow_retry=timedelta(days=6),
        ),
    )


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_setting_is_as_good_as_none(name: str, blank: str) -> None:
    """A template leaves a parameter empty: the default holds."""
    assert read(**{name: blank}) == read()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("absent", [None, "", "  "])
def test_a_missing_setting_stops_the_app_by_name(name: str, absent: str | None) -> None:
    """What is missing is named, with what is expected of it."""
    given = {key: value for key, value in REQUIRED.items() if key != name} | ({name: absent} if absent else {})
    with pytest.raises(InvalidSettingError, match=f"^setting {name} is missing: expected an https address$"):
        Settings.from_env(given)


@pytest.mark.parametrize("value", ["0 */15 * * * *", " 30 0 3 * * Mon-Fri "])
def test_a_schedule_has_six_fields(value: str) -> None:
    """With the seconds first, as the Functions host wants it."""
    assert read(SWEEP_SCHEDULE=value) == read()


@pytest.mark.parametrize("value", ["*/15 * * * *", "hourly", "0 */15 * * * * 2026"])
def test_a_schedule_of_another_kind_is_shown_with_an_example(value: str) -> None:
    """Five fields, as cron has them, are the usual mistake."""
    expected = "expected a six-field NCRONTAB schedule such as '0 */15 * * * *'"
    assert refused(SWEEP_SCHEDULE=value) == f"setting SWEEP_SCHEDULE is {value!r}: {expected}"


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://account.queue.core.windows.net", "http://account.queue.core.windows.net"),
        ("account.queue.core.windows.net", "account.queue.core.windows.net"),
        ("https://", "https://"),
        ("https:///path", "https:///path"),
        ("ftp://host", "ftp://host"),
        ("https://host:port", "https://host:port"),
        ("https://host:99999", "https://host:99999"),
        ("https://[host", "https://[host"),
        ("UseDevelopmentStorage", "UseDevelopmentStorage"),
    ],
)
def test_an_address_that_is_none_is_shown_with_what_is_expected(name: str, value: str, shown: str) -> None:
    """Tokens go over TLS, to a host that can be named."""
    assert refused(**{name: value}) == f"setting {name} is {shown!r}: expected an https address"


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "value",
    [
        "https://account.queue.core.windows.net/?sv=2024&sig=SECRET",
        "https://account.queue.core.windows.net:99999/?sig=SECRET",
        "https://[account?sig=SECRET",
        "https://user:SECRET@host",
        "https://:SECRET@host",
        "https://user:one/SECRET@host",
        "https://host/#SECRET",
        "//user:SECRET@host",
        "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=SECRET;EndpointSuffix=core.windows.net",
        "AccountKey=SECRET==;AccountName=account",
        "SharedAccessSignature=sv=2024&sig=SECRET",
        "sv=2024&sig=SECRET",
    ],
)
def test_a_secret_that_was_put_into_an_address_is_not_shown(name: str, value: str) -> None:
    """A signature, a password, a connection string: refused, and kept out of the log."""
    message = refused(**{name: value})
    assert message.startswith(f"setting {name} is ")
    assert "SECRET" not in message


@pytest.mark.parametrize("value", ["yes", "1", "on", "truee"])
def test_a_flag_is_true_or_false(value: str) -> None:
    """DRY_RUN=yes must not start anything by mistake, nor be guessed at."""
    assert refused(DRY_RUN=value) == f"setting DRY_RUN is {value!r}: expected true or false"


def test_false_is_false() -> None:
    """Said, and not only by default."""
    assert read(DRY_RUN="False").dry_run is False


@pytest.mark.parametrize("value", ["a'b", 'a"b', "a<b", "a%b", "a&b", "a\\b", "a?b", "a/b", "a\nb", "x" * 513])
def test_a_tag_name_is_one_that_azure_allows(value: str) -> None:
    """And it holds nothing that has no place in a query."""
    expected = "expected a tag name as Azure allows it, without quotes"
    assert refused(RESTART_TAG=value) == f"setting RESTART_TAG is {value!r}: {expected}"


def test_the_longest_tag_name_is_taken() -> None:
    """Azure allows 512 characters."""
    assert read(RESTART_TAG="x" * 512).policy.restart_tag == "x" * 512


@pytest.mark.parametrize("value", ["always", "unless_stopped", "evicted,"])
def test_restart_when_is_one_of_two_words(value: str) -> None:
    """Both are told."""
    assert refused(RESTART_WHEN=value) == f"setting RESTART_WHEN is {value!r}: expected unless-stopped or evicted"


def test_unless_stopped_can_be_said() -> None:
    """Said, and not only by default."""
    assert read(RESTART_WHEN="UNLESS-STOPPED").policy.restart_when is RestartWhen.UNLESS_STOPPED


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "ten", "1000000", "٣", "1_0"])
def test_the_brake_is_a_whole_number(value: str) -> None:
    """No restarts at all is not a brake, but another way to say: remove the tag."""
    expected = "expected a whole number from 1 up"
    assert refused(RESTARTS_PER_DAY=value) == f"setting RESTARTS_PER_DAY is {value!r}: {expected}"


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize(
    "value", ["0", "0.0", "-5", "soon", "1e3", "inf", "nan", "518401", "518400.001", "0.0001", "1:00"]
)
def test_a_delay_is_some_seconds(name: str, value: str) -> None:
    """Nothing that would hammer Azure, and nothing longer than a message can be hidden."""
    expected = "expected seconds, more than 0 and at most 518400"
    assert refused(**{name: value}) == f"setting {name} is {value!r}: {expected}"


@pytest.mark.parametrize(("name", "field"), SECONDS.items())
def test_each_delay_has_a_variable_of_its_own(name: str, field: str) -> None:
    """Setting one changes no other."""
    policy = read(**{name: "900"}).policy if name != "CAPACITY_RETRY_MAX_SECONDS" else read(**{name: "901"}).policy
    changed = {each.name for each in fields(Policy) if getattr(policy, each.name) != getattr(Policy(), each.name)}
    assert changed == {field}


def test_the_longest_pause_is_no_shorter_than_the_first() -> None:
    """Each value is fine; together they make no sense."""
    assert refused(CAPACITY_RETRY_SECONDS="120", CAPACITY_RETRY_MAX_SECONDS="60") == (
        "setting CAPACITY_RETRY_MAX_SECONDS is '60': expected no less than CAPACITY_RETRY_SECONDS"
    )
