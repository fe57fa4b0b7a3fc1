"""What a refusal of Azure means, and how long to wait after it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.intake.azure_errors import Failure, FailureKind, classify

ERRORS = Path(__file__).parents[1] / "payloads" / "errors"
SHARED = Path(__file__).parents[3] / "shared" / "samples" / "arm"
K = FailureKind

FIXTURES = {
    "allocation_failed": (K.CAPACITY, "AllocationFailed"),
    "allocation_failed_internal": (K.CAPACITY, "AllocationFailed"),
    "arm_throttled": (K.THROTTLED, "ResourceRequestsThrottled"),
    "authorization_failed": (K.DENIED, "AuthorizationFailed"),
    "changing_power_state": (K.CONFLICT, "OperationNotAllowed"),
    "compute_throttled_flat": (K.THROTTLED, "TooManyRequests"),
    "disks_of_this_size_409": (K.UNKNOWN, "OperationNotAllowed"),
    "disk_being_detached": (K.CONFLICT, "AttachDiskWhileBeingDetached"),
    "disk_of_another_vm": (K.DENIED, "ConflictingUserInput"),
    "graph_rate_limiting": (K.THROTTLED, "RateLimiting"),
    "invalid_resource_type_404": (K.DENIED, "InvalidResourceType"),
    "internal_server_error": (K.UNKNOWN, "InternalServerError"),
    "key_vault_access_forbidden_409": (K.DENIED, "KeyVaultAccessForbidden"),
    "marked_for_deletion": (K.GONE, "OperationNotAllowed"),
    "not_found": (K.GONE, "ResourceNotFound"),
    "os_provisioning_timed_out_poll": (K.UNKNOWN, "OSProvisioningTimedOut"),
    "overconstrained_inside_409": (K.CAPACITY, "OverconstrainedZonalAllocationRequest"),
    "platform_update": (K.CONFLICT, "ResourceUpdateBlockedOnPlatformUpdate"),
    "poll_allocation_failed": (K.CAPACITY, "AllocationFailed"),
    "poll_overconstrained": (K.CAPACITY, "OverconstrainedAllocationRequest"),
    "poll_overconstrained_other_casing": (K.CAPACITY, "OverConstrainedAllocationRequest"),
    "poll_overconstrained_zonal": (K.CAPACITY, "OverconstrainedZonalAllocationRequest"),
    "poll_preempted": (K.CONFLICT, "OperationPreempted"),
    "poll_vm_start_timed_out": (K.UNKNOWN, "VMStartTimedOut"),
    "poll_zonal_allocation_failed": (K.CAPACITY, "ZonalAllocationFailed"),
    "price": (K.PRICE, "SpotPriceGreaterThanProvidedMaxPrice"),
    "quota_family": (K.QUOTA, "OperationNotAllowed"),
    "quota_low_priority": (K.QUOTA, "OperationNotAllowed"),
    "scale_set_nested": (K.CAPACITY, "OverconstrainedZonalAllocationRequest"),
    "sku_not_available": (K.CAPACITY, "SkuNotAvailable"),
}


def load(name: str) -> dict[str, Any]:
    """Read one of our own fixtures: status, headers and body."""
    found: dict[str, Any] = json.loads((ERRORS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def kind_and_code(status: int | None, body: object) -> tuple[FailureKind, str]:
    """Classify an answer without headers."""
    failure = classify(status, body, {})
    return failure.kind, failure.code


def error(code: str, message: str = "") -> dict[str, Any]:
    """Wrap a code as ARM does."""
    return {"error": {"code": code, "message": message}}


def recased_keys(value: object) -> object:
    """Turn the casing of every key, and of every code, around."""
    if isinstance(value, dict):
        return {
            key.swapcase(): inner.swapcase() if key == "code" else recased_keys(inner) for key, inner in value.items()
        }
    return [recased_keys(inner) for inner in value] if isinstance(value, list) else value


def test_every_fixture_has_an_expectation() -> None:
    """No answer lies about that nothing is expected of."""
    assert {path.stem for path in ERRORS.glob("*.json")} == set(FIXTURES)


@pytest.mark.parametrize("name", FIXTURES)
def test_an_answer_of_azure_is_understood(name: str) -> None:
    """Each refusal that Azure is known to give, with the code that decided."""
    answer = load(name)
    assert kind_and_code(answer["status"], answer["body"]) == FIXTURES[name]


@pytest.mark.parametrize("name", FIXTURES)
def test_form_changes_nothing(name: str) -> None:
    """Casing, the wrapper, more nesting, text or bytes: it is the same refusal."""
    answer = load(name)
    body, status = answer["body"], answer["status"]
    inner = body.get("error", body)
    same = [
        inner,
        {"error": inner},
        json.dumps(body),
        json.dumps(body).encode(),
        json.dumps(json.dumps(body)),
        [body],
        {"status": "Failed", "error": {"code": "DeploymentFailed", "message": "See details.", "details": [inner]}},
        {"error": {"code": "BadRequest", "innererror": {"code": "X", "innererror": inner}}},
        {"error": {"code": "ResourceDeploymentFailure", "message": json.dumps({"error": inner})}},
        {"error": {"code": "Conflict", "message": "See details.", "details": {"code": "Y", "details": [inner]}}},
    ]
    assert {kind_and_code(status, each) for each in same} == {FIXTURES[name]}
    kind, code = kind_and_code(status, recased_keys(body))
    assert (kind, code.lower()) == (FIXTURES[name][0], FIXTURES[name][1].lower())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("QuotaExceeded", K.QUOTA),
        ("ResourceQuotaExceeded", K.QUOTA),
        ("AnotherOperationInProgress", K.CONFLICT),
        ("RetryableErrorDueToAnotherOperation", K.CONFLICT),
        ("Conflict", K.CONFLICT),
        ("OSProvisioningTimedOut", K.UNKNOWN),
        ("VMExtensionProvisioningError", K.UNKNOWN),
        ("ResourceGroupNotFound", K.GONE),
        ("NotFound", K.GONE),
        ("VMNotFound", K.GONE),
        ("SubscriptionNotFound", K.DENIED),
        ("InvalidSubscriptionId", K.DENIED),
        ("MissingSubscriptionRegistration", K.DENIED),
        ("NoRegisteredProviderFound", K.DENIED),
        ("InvalidApiVersionParameter", K.DENIED),
        ("StorageAccountNotFound", K.DENIED),
        ("DiskEncryptionSetNotFound", K.DENIED),
        ("DiskEncryptionKeySecretUnwrapFailed", K.DENIED),
        ("KeyVaultKeyNotEnabled", K.DENIED),
        ("PublicIPCountLimitReached", K.QUOTA),
        ("ConflictingConcurrentWriteNotAllowed", K.CONFLICT),
        ("ResourceGroupBeingDeleted", K.CONFLICT),
        ("LinkedAuthorizationFailed", K.DENIED),
        ("ScopeLocked", K.DENIED),
        ("ReadOnlyDisabledSubscription", K.DENIED),
        ("RequestDisallowedByPolicy", K.DENIED),
        ("MaxPriceValueInvalid", K.DENIED),
        ("AzureSpotIsNotSupportedForThisVMSize", K.DENIED),
        ("AzureSpotFeatureNotEnabledForSubscription", K.DENIED),
        ("InvalidParameter", K.DENIED),
        ("InternalExecutionError", K.UNKNOWN),
        ("InternalOperationError", K.UNKNOWN),
        ("NetworkingInternalOperationError", K.UNKNOWN),
        ("SubscriptionRequestsThrottled", K.THROTTLED),
        ("TooManyRequests", K.THROTTLED),
        ("SomethingNew", K.UNKNOWN),
    ],
)
def test_a_code_decides_without_regard_to_the_status(code: str, kind: FailureKind) -> None:
    """A failure told by a poll, with status 200, is judged as one told at once, with whatever status."""
    assert {kind_and_code(status, error(code)) for status in (200, 400, 404, 409, 500)} == {(kind, code)}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("exceeding approved Low Priority Cores quota", K.QUOTA),
        ("exceeding approved Total Regional Cores quota", K.QUOTA),
        ("Operation results in exceeding quota limits of Core.", K.QUOTA),
        ("The request failed since another operation is in progress.", K.CONFLICT),
        ("The server rejected the request because too many requests have been received.", K.THROTTLED),
        ("The VM 'v' is generalized.", K.DENIED),
        ("Operation 'start' is not allowed on VM 'v' since it is MARKED FOR DELETION.", K.GONE),
        ("Operation 'start' is not allowed on VM extension 'x' since it is marked for deletion.", K.UNKNOWN),
        ("Operation 'start' is not allowed on Image 'i' since the Image is marked for deletion.", K.UNKNOWN),
        ("The operation 'start' requires the Virtual Machine 'v' to be Generalized.", K.UNKNOWN),
        ("Nobody has seen this text.", K.UNKNOWN),
    ],
)
def test_operation_not_allowed_is_told_apart_by_its_message(message: str, kind: FailureKind) -> None:
    """One code of Azure means many things."""
    for status in (200, 404, 409):
        assert kind_and_code(status, error("OperationNotAllowed", message))[0] is kind
    nested = {"error": {"code": "OperationNotAllowed", "details": [{"message": message}]}}
    assert kind_and_code(200, nested)[0] is kind


@pytest.mark.parametrize(
    ("status", "kind", "without_a_code"),
    [
        (404, K.UNKNOWN, K.UNKNOWN),
        (401, K.DENIED, K.DENIED),
        (403, K.DENIED, K.DENIED),
        (409, K.UNKNOWN, K.CONFLICT),
        (429, K.THROTTLED, K.THROTTLED),
        (400, K.UNKNOWN, K.UNKNOWN),
        (500, K.UNKNOWN, K.UNKNOWN),
        (503, K.UNKNOWN, K.UNKNOWN),
    ],
)
def test_a_code_that_nobody_knows_is_unknown_whatever_its_status(
    status: int, kind: FailureKind, without_a_code: FailureKind
) -> None:
    """What lasts must not look like what passes; only to be refused access, or to be too many, needs no code."""
    assert kind_and_code(status, error("SomethingNew")) == (kind, "SomethingNew")
    assert kind_and_code(status, "<html>Bad Gateway</html>") == (without_a_code, f"Http{status}")
    assert kind_and_code(status, None) == (without_a_code, f"Http{status}")
    assert kind_and_code(status, {"error": {"message": "no code"}}) == (without_a_code, f"Http{status}")


def test_what_says_little_does_not_hide_a_code_that_nobody_knows() -> None:
    """A conflict, says the wrapper; what it wraps is new, and nobody knows whether that passes."""
    wrapped = {"error": {"code": "Conflict", "message": "See details.", "details": [{"code": "SomethingNew"}]}}
    assert kind_and_code(409, wrapped) == (K.UNKNOWN, "SomethingNew")


VM = "Microsoft.Compute/virtualMachines/render-1"
ID = "/subscriptions/s/resourceGroups/g/providers"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ResourceNotFound", f"The Resource '{VM}' under resource group 'g' was not found.", K.GONE),
        ("ResourceNotFound", f"The resource {ID}/{VM} was not found.", K.GONE),
        ("ResourceNotFound", "The requested resource does not exist.", K.GONE),
        ("NotFound", "The entity was not found in this Azure location.", K.GONE),
        ("NotFound", "Source Virtual Machine 'v' specified in the request does not exist in this location.", K.GONE),
        ("NotFound", "VM 'v' was not found", K.GONE),
        ("VMNotFound", "The VM 'v' cannot be found.", K.GONE),
        ("ResourceGroupNotFound", "Resource group 'g' could not be found.", K.GONE),
        ("ResourceNotFound", "The Resource 'Microsoft.Network/networkInterfaces/n' was not found.", K.DENIED),
        ("ResourceNotFound", f"The Resource '{VM}/extensions/e' was not found.", K.DENIED),
        (
            "ResourceNotFound",
            f"Resource {ID}/Microsoft.Compute/disks/d referenced by {ID}/{VM} was not found",
            K.DENIED,
        ),
        ("ResourceNotFound", f"The Resource 'Microsoft.Compute/virtualMachineScaleSets/{VM}' was not found.", K.DENIED),
        ("ResourceNotFound", "It is somewhere else.", K.UNKNOWN),
        ("NotFound", "The Availability Set 'a' cannot be found.", K.UNKNOWN),
        ("NotFound", "Tenant with id 7 not found.", K.UNKNOWN),
        ("NotFound", "The Image 'i' cannot be found.", K.UNKNOWN),
        ("NotFound", "VM extension 'x' was not found", K.UNKNOWN),
        ("NotFound", "The operation was not found.", K.UNKNOWN),
        ("DiskNotFound", "The disk 'd' was not found.", K.UNKNOWN),
    ],
)
def test_only_what_speaks_of_the_vm_says_that_it_is_gone(code: str, message: str, kind: FailureKind) -> None:
    """A disk, a network interface or an image that is not there is a fault to be mended, and no deletion."""
    for status in (200, 404, 409):
        assert kind_and_code(status, error(code, message))[0] is kind
    assert kind_and_code(404, {"error": {"code": "DeploymentFailed", "details": [error(code, message)]}})[0] is kind


def test_a_known_code_beats_the_status() -> None:
    """A missing price limit told with 404 is still a matter of price."""
    assert kind_and_code(404, error("SpotPriceGreaterThanProvidedMaxPrice"))[0] is K.PRICE


def test_too_many_requests_beat_every_code() -> None:
    """With status 429 we were throttled, whatever else the answer says."""
    assert kind_and_code(429, error("AllocationFailed")) == (K.THROTTLED, "AllocationFailed")


def test_the_more_telling_code_decides() -> None:
    """A vague code, inside or outside, never hides a clear one; of two clear ones the inner decides."""
    vague_inside = {"error": {"code": "AllocationFailed", "innererror": {"code": "InternalExecutionError"}}}
    vague_outside = {"error": {"code": "Conflict", "details": [{"code": "SkuNotAvailable"}]}}
    two_clear = {"error": {"code": "AllocationFailed", "details": [{"code": "QuotaExceeded"}]}}
    assert kind_and_code(409, vague_inside) == (K.CAPACITY, "AllocationFailed")
    assert kind_and_code(409, vague_outside) == (K.CAPACITY, "SkuNotAvailable")
    assert kind_and_code(409, two_clear) == (K.QUOTA, "QuotaExceeded")


@pytest.mark.parametrize("body", [None, "", b" ", {}, [], 7, "The read operation timed out"])
def test_no_answer_is_unknown(body: object) -> None:
    """A time-out or a lost connection says nothing: the start may even have been accepted."""
    assert kind_and_code(None, body) == (K.UNKNOWN, "NoAnswer")


def test_a_code_without_a_status_still_counts() -> None:
    """Where only the body of a failed operation is at hand, its code decides."""
    assert kind_and_code(None, error("AllocationFailed")) == (K.CAPACITY, "AllocationFailed")


def test_the_message_is_one_line_of_bearable_length_without_signed_addresses() -> None:
    """An operation's address is a secret of 4 KB; a plain link stays."""
    address = (
        "https://management.azure.com/subscriptions/s/providers/Microsoft.Compute/locations/l/operations/o?s=SECRET"
    )
    text = f"Polling {address}\n failed, see https://aka.ms/allocation-guidance " + "x" * 9000
    message = classify(409, error("AllocationFailed", text), {}).message
    assert len(message) == 500
    assert message.startswith("Polling (address left out) failed, see https://aka.ms/allocation-guidance xxx")


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    """What Azure says last may be what matters: a policy's name, the limit that is needed."""
    message = classify(
        409, error("RequestDisallowedByPolicy", f"Disallowed by {'x' * 900} named 'no-spot'."), {}
    ).message
    assert (message[:14], message[-16:]) == ("Disallowed by ", "named 'no-spot'.")


def test_the_message_comes_from_further_out_where_the_deciding_code_has_none() -> None:
    """A person reading the log gets a text if there is any."""
    body = {"error": {"code": "Outer", "message": "It did not work.", "details": [{"code": "SkuNotAvailable"}]}}
    assert classify(409, body, {}).message == "It did not work."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"RETRY-AFTER": " 1.5 "}, 1.5),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "999999999"}, 86400),
        ({"retry-after": "9" * 400}, 86400),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "4000"}, 4),
        ({"Retry-After": "7", "x-ms-retry-after-ms": "4000"}, 7),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT", "Date": "Sun, 01 Mar 2026 10:00:00 GMT"}, 90),
        ({"Retry-After": "Sun, 01 Mar 2026 09:00:00 -0000", "Date": "Sun, 01 Mar 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT"}, None),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT", "Date": "today"}, None),
        ({"Retry-After": "Sun, 01 Mar 2026 10:01:30 GMT" + " " * 90 + ".", "Date": "today"}, None),
        ({"x-ms-user-quota-resets-after": "00:00:05"}, 5),
        ({"x-ms-user-quota-resets-after": "01:02:03.5"}, 3723.5),
        ({"x-ms-user-quota-resets-after": "99:00:00"}, 86400),
        ({"x-ms-user-quota-resets-after": "five"}, None),
    ],
)
def test_azures_wish_to_wait_is_read_where_it_is_legible(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, a date beside the answer's own, or the quota's reset: between 0 and 24 hours."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert classify(429, None, headers).retry_after == expected


def test_the_quotas_reset_is_no_delay_where_nothing_was_throttled() -> None:
    """Resource Graph sends that header with every answer."""
    assert classify(403, None, {"x-ms-user-quota-resets-after": "00:00:05"}).retry_after is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Conflict", '{"error":1}']),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "details", "innererror"]) | st.text(), inner)
    ),
    max_leaves=15,
)
NAMES = st.sampled_from(["Retry-After", "retry-after-ms", "Date", "x-ms-user-quota-resets-after"]) | st.text()


@given(
    st.none() | st.integers(),
    JSON | st.binary() | JSON.map(json.dumps),
    st.dictionaries(NAMES, st.text() | st.from_regex(r"[-0-9]{1,9}") | st.from_regex(r"\w\w\w, \d\d \w+ \d+ [0-9:]+")),
)
def test_nothing_breaks_on_any_answer(status: int | None, body: object, headers: dict[str, str]) -> None:
    """Whatever Azure, or a proxy before it, may send, a failure comes of it."""
    failure = classify(status, body, headers)
    assert isinstance(failure, Failure)
    assert failure.code
    assert len(failure.code) <= 100
    assert len(failure.message) <= 500
    assert failure.retry_after is None or timedelta(0) <= failure.retry_after <= timedelta(hours=24)


def test_a_bottomless_or_endless_answer_is_read_to_a_bound() -> None:
    """An answer made to exhaust us costs little and is classified by what was seen of it."""
    deep: dict[str, Any] = error("AllocationFailed")
    for _ in range(5000):
        deep = {"error": {"code": "Wrapper", "details": [deep]}}
    assert kind_and_code(409, deep) == (K.UNKNOWN, "Wrapper")
    wide = {"error": {"code": "SkuNotAvailable", "details": [{"code": "Wrapper"}] * 100_000}}
    assert kind_and_code(409, wide) == (K.CAPACITY, "SkuNotAvailable")
    assert kind_and_code(503, "[" * 200_000) == (K.UNKNOWN, "Http503")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the collected samples (../shared/samples) are not on this machine")
def test_every_collected_error_is_understood() -> None:
    """What was collected about Azure's refusals, each with the kind that was found for it."""
    cases = json.loads((SHARED / "errors" / "start_error_cases.json").read_text(encoding="utf-8"))
    for case in cases:
        for status in (case["http_status_when_synchronous"], 200):
            assert kind_and_code(status, case["body"]) == (case["class"], case["code"])
    throttled = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHARED.glob("errors/*_429_*.json"))]
    assert [classify(each["status"], each["body"], {}).kind for each in throttled] == [K.THROTTLED] * 3
    nested = json.loads((SHARED / "errors" / "vmss_nested_failure.reported.json").read_text(encoding="utf-8"))
    assert kind_and_code(200, nested) == (K.CAPACITY, "OverconstrainedZonalAllocationRequest")
    polls = {path.name.split("_")[2].split(".")[0]: path for path in SHARED.glob("lro/poll_failed_*.json")}
    for code, path in polls.items():
        kind = K.UNKNOWN if code == "VMStartTimedOut" else K.CAPACITY
        assert kind_and_code(200, path.read_bytes()) == (kind, code)
