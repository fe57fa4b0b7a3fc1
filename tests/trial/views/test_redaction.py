"""Nothing of a subscription remains in what a trial writes down."""

from __future__ import annotations

import base64
import json
import re
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localazure.event_grid.azure_events import PRIVATE_VALUES, DeliverySchema, azure_event
from localazure.world.happenings import ActionSucceeded
from spot_responder.trial.views.redaction import Redaction
from spot_responder.trial.views.report import payloads, redaction_of
from tests.trial.harness.made_up import bad, ok, seen
from tests.trial.harness.trials import now

NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=3, max_size=24).filter(
    lambda name: name.strip("-_") == name and any(map(str.isalpha, name))
)
GUIDS = st.uuids().map(str)
ADDRESSES = st.ip_addresses(v=4).map(str)
WORDS = frozenset(
    {
        *("witness", "trial", "tried", "moment", "default", "current", "true", "false", "none", "null", "latest"),
        *(
            "server",
            "succeeded",
            "id",
            "error",
            "message",
            "claims",
            "name",
            "ipaddr",
            "uti",
            "groups",
            "tags",
            "again",
        ),
        *("location", "deep", "operations", "azure", "management", "com", "https", "resourcegroups", "subscriptions"),
        *("providers", "microsoft", "compute", "virtualmachines", "value", "may", "not", "and"),
    }
)
"""Azure's and the trial's own words, and those of the payload below: as a name they cannot be told from themselves."""


def remains(secret: str, text: str) -> bool:
    """Whether a secret can be read in a text: as a word by itself, in any casing."""
    return re.search(rf"(?<![a-z0-9]){re.escape(secret)}(?![a-z0-9])", text, re.IGNORECASE) is not None


@given(
    subscription=GUIDS,
    principal=GUIDS,
    group=NAMES,
    vm=NAMES,
    person=st.tuples(NAMES, NAMES),
    address=ADDRESSES,
    token=st.text(string.ascii_letters + string.digits + "_-", min_size=45, max_size=90),
    tag=st.tuples(NAMES, NAMES),
    upper=st.booleans(),
)
def test_nothing_of_the_subscription_remains(  # noqa: PLR0913 - each is one thing that may not remain
    *,
    subscription: str,
    principal: str,
    group: str,
    vm: str,
    person: tuple[str, str],
    address: str,
    token: str,
    tag: tuple[str, str],
    upper: bool,
) -> None:
    """Neither in ids, in any casing, nor in the middle of a message, in a claim, in a tag or in an address."""
    vm_id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{vm}"
    mail = f"{person[0]}@{person[1]}.example.org"
    payload: dict[str, Any] = {
        "id": vm_id.upper() if upper else vm_id,
        "error": {"message": f"VM '{vm}' in {group}: {principal} ({mail}, {address}) may not."},
        "claims": {"name": person[0], "ipaddr": address, "uti": token, "groups": [principal]},
        "tags": {tag[0]: tag[1]},
        "Location": f"https://management.azure.com{vm_id}/operations/{principal}?c={token}",
        "again": [f"{tag[1]} and {person[0]}", token, {"deep": vm_id.lower()}],
    }
    redaction = Redaction()
    redaction.learn(payload)
    text = json.dumps(redaction.apply(payload))
    secrets = {subscription, principal, group, vm, mail, address, token, *tag, person[0]}
    # What stands in a secret's place may be spelt like another secret, as "name-1".
    places = " ".join(redaction.places.values())
    assert [
        secret
        for secret in secrets
        if secret.lower() not in WORDS and remains(secret, text) and not remains(secret, places)
    ] == []


def test_the_same_becomes_the_same() -> None:
    """So that who is who can still be followed, over all payloads."""
    one, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    redaction = Redaction()
    redaction.learn([f"/subscriptions/{one}", {"of": other}])
    assert redaction.apply([one, one.upper(), other]) == [
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-4000-8000-000000000001",
        "00000000-0000-4000-8000-000000000002",
    ]


def test_an_event_of_arm_tells_nothing_of_its_caller() -> None:
    """The laptop Azure puts made-up personal data into each: none of it remains, what happened does."""
    group = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg"
    vm = f"{group}/providers/Microsoft.Compute/virtualMachines/web"
    happened = ActionSucceeded(vm, now(), "Microsoft.Compute/virtualMachines/deallocate/action", "owner@example.com")
    event = azure_event(happened, "33333333-3333-4333-8333-333333333333", now()).written(DeliverySchema.CLOUD_EVENTS)
    redaction = Redaction()
    redaction.learn(event)
    text = json.dumps(redaction.apply(event))
    assert [value for value in PRIVATE_VALUES if value.lower() in text.lower()] == []
    assert "Microsoft.Compute/virtualMachines/deallocate/action" in text


def test_an_id_of_azure_stays_one() -> None:
    """Also where a subscription's stands alone: the app must read what was adopted. No token takes it for cover."""
    subscription = "/subscriptions/11111111-1111-4111-8111-111111111111"
    vm, token = f"{subscription}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web", "eyJhbGci.e30.c2ln"
    redaction = Redaction()
    redaction.learn({"source": subscription, "at": f"https://management.azure.com{subscription}", "subject": vm})
    redaction.learn([token])
    hidden = "/subscriptions/00000000-0000-4000-8000-000000000001"
    assert redaction.apply(subscription) == hidden
    assert redaction.apply(f"https://management.azure.com{subscription}") == f"https://management.azure.com{hidden}"
    assert redaction.apply(vm) == f"{hidden}/resourceGroups/group-1/providers/Microsoft.Compute/virtualMachines/name-1"
    assert redaction.apply(token) == "token-1"


def test_the_namespace_of_a_provider_is_no_name() -> None:
    """Neither where it stands first, nor where a resource of it hangs on another one: types of events begin so."""
    group = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg"
    vm = f"{group}/providers/Microsoft.Compute/virtualMachines/web-7"
    annotation = f"{vm}/providers/Microsoft.ResourceHealth/resourceAnnotations/mine-9"
    redaction = Redaction()
    redaction.learn([annotation, f"{vm}/providers/Microsoft.Resources/tags/default"])
    kinds = [
        "Microsoft.Resources.ResourceActionSuccess",
        "Microsoft.ResourceHealth",
        "Microsoft.Compute/virtualMachines",
    ]
    assert redaction.apply(kinds) == kinds
    hidden = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/group-1"
    assert redaction.apply(annotation) == (
        f"{hidden}/providers/Microsoft.Compute/virtualMachines/name-1"
        "/providers/Microsoft.ResourceHealth/resourceAnnotations/name-2"
    )


def test_what_tells_nothing_stays() -> None:
    """Numbers, Azure's own words and hosts; and where nothing was learned, everything."""
    payload = {
        "count": 3,
        "name": "default",
        "at": "https://management.azure.com/x",
        "none": None,
        "tags": {"a": 1, "b": None},
    }
    redaction = Redaction()
    assert redaction.apply("as it is") == "as it is"
    redaction.learn(payload)
    assert redaction.apply(payload) == payload | {"tags": {"a": "value", "b": None}}
    redaction.learn("https://me.queue.core.windows.net and 2001:db8:1:2:3:4:5:6")
    assert redaction.apply("me.queue.core.windows.net, 2001:db8:1:2:3:4:5:6") == "host-1.example, 2001:db8::1"


def hidden(payload: object) -> str:
    """Give what is left of a payload, by itself."""
    redaction = Redaction()
    redaction.learn(payload)
    return json.dumps(redaction.apply(payload), ensure_ascii=False)


def test_a_refusal_of_azure_policy_tells_nothing_of_whose_policy_it_is() -> None:
    """Neither its message, in which there is JSON, nor what is added to it; nor the same words elsewhere."""
    inside = json.dumps([{"policyAssignment": {"name": "Fabrikam Treasury"}}])
    message = f"Resource 'w' was disallowed by policy. Reasons: 'ask jdoe'. Policy identifiers: '{inside}'."
    error = {"code": "RequestDisallowedByPolicy", "message": message, "additionalInfo": [{"info": {"costs": "4711"}}]}
    text = hidden([{"error": error}, "so says Fabrikam Treasury", json.dumps({"customData": "c2Vj", "a": inside})])
    assert [each for each in ("Fabrikam", "Treasury", "jdoe", "4711", "c2Vj") if each in text] == []
    assert "RequestDisallowedByPolicy" in text
    assert "was disallowed by policy" in text


def test_short_names_and_addresses_of_all_kinds_are_hidden() -> None:
    """A display name of two letters, a host without https, a tenant's domain, an address of IPv6, an encoded id."""
    payload = {
        "displayName": "IT",
        "hostname": "fabrikam.queue.core.windows.net",
        "told": "fabrikam.onmicrosoft.com at fe80::1, in İstanbul-prod",
        "id": "/resourceGroups/İstanbul-prod/x",
        "encoded": "%2FresourceGroups%2Fpay01%2Fx",
    }
    text = hidden(payload)
    assert [each for each in ('"IT"', "fabrikam", "fe80", "stanbul", "pay01") if each in text] == []


GUID = "12ab34cd-1111-4111-8111-abcdefabcdef"
RG = "/subscriptions/x/resourceGroups/rg-secret"
WEB = "/subscriptions/s/resourceGroups/g1/providers/Microsoft.Compute/virtualMachines/web"
CLAIMS = {"upn": "jane.doe@contoso.com", "jobTitle": "Chief Secret Officer"}
BROKEN_OUT: list[tuple[object, list[str]]] = [
    ("The client address is 203.0.113.77.", ["203.0.113.77"]),
    ("203.0.113.77, 10.9.8.7:443 and 10.1.2.3/24", ["203.0.113.77", "10.9.8.7", "10.1.2.3"]),
    (f"no right in {RG}. Ask the owner of rg-secret", ["rg-secret"]),
    (f"(scope {RG}) rg-secret is locked", ["rg-secret"]),
    (["jane.doe@contoso.com", "https://management.azure.com/x?user=jane.doe%40contoso.com"], ["jane.doe", "contoso"]),
    (["jane.doe@contoso.com", 'The client {"user": "jane.doe\\u0040contoso.com"} may not'], ["jane.doe"]),
    ("%252FresourceGroups%252Frg-secret%252Fx", ["rg-secret"]),
    ("ip=2603%3A1020%3A201%3A10%3A%3A3f", ["2603%3A1020"]),
    ([WEB, "name%20eq%20%27web%27"], ["web"]),
    ({"data": {"claims": json.dumps(CLAIMS)}}, ["Chief Secret", "jane.doe"]),
    ({"internalDomainNameSuffix": "gtpkgxgr0rpexcs1.ax.internal.cloudapp.net"}, ["gtpkgxgr0rpexcs1"]),
    ("contoso.azurecr.io, contoso.documents.azure.com, contoso.sharepoint.com", ["contoso"]),
    ([RG, base64.b64encode(b"rg-secret\n").decode()], [base64.b64encode(b"rg-secret\n").decode()]),
    ([RG, base64.b64encode("rg-secret".encode("utf-16-le")).decode()], ["cgBnAC0A"]),
    ([RG, "/operations/" + base64.b64encode(b"rg-secret").decode()], ["cmctc2VjcmV0"]),
    (base64.b64encode(b"jane@contoso.com").decode(), [base64.b64encode(b"jane@contoso.com").decode()]),
    ([GUID, f"st{GUID.replace('-', '')}log", GUID.replace("-", "_")], [GUID.replace("-", ""), GUID.replace("-", "_")]),
    ("the deny assignment with name 'Contoso Treasury freeze'", ["Contoso"]),
    ("Resource group 'rg-secret' could not be found.", ["rg-secret"]),
    ({"systemData": {"createdBy": "Jane Doe", "lastModifiedBy": "Jane Doe"}}, ["Jane"]),
    ({"macAddress": "00-0D-3A-12-34-56"}, ["00-0D-3A-12-34-56"]),
    (["jane.doe@contoso.com", "tenant contoso.com"], ["contoso.com"]),
    ({"displayName": "Microsoft.Contoso Secret"}, ["Contoso"]),
    ({"accessKey": "shortkey123", "adminPassword": "Hunter2!"}, ["shortkey123", "Hunter2"]),
    ("https://x.blob.core.windows.net/a?sv=2024&sig=abc%2Bdef%3D&se=2", ["abc%2Bdef"]),
    ("ssh-ed25519 key jane@laptop", ["jane@laptop"]),
    ([RG, "$skiptoken=" + base64.b64encode(b"of rg-secret").decode() + "%3D%3D"], ["b2Ygcmct"]),
    (["jane@contoso.com", "x=%2525252540, jane%252540contoso.com"], ["jane%"]),
]
"""What a stranger got through it."""


@pytest.mark.parametrize(("payload", "secrets"), BROKEN_OUT)
def test_what_a_stranger_got_through_does_not_get_through(payload: object, secrets: list[str]) -> None:
    """In whatever encoding it stands, and whatever follows it."""
    text = hidden(payload)
    assert [secret for secret in secrets if secret.lower() in text.lower()] == []


def test_a_short_name_in_base64_is_found_too() -> None:
    """So it stands in the tokens by which Azure's lists go on; what says nothing in base64 stays."""
    redaction = Redaction()
    redaction.learn(["/subscriptions/s/resourceGroups/rg-1/providers/Microsoft.Compute/virtualMachines/payroll-7"])
    named = base64.b64encode(b"payroll-7").decode()
    with_more = base64.urlsafe_b64encode(b'{"after":"PAYROLL-7"}').decode()
    texts = [f"https://management.azure.com/x?$skiptoken={named}", f"a {with_more} b", with_more.replace("=", "%3D")]
    assert redaction.apply(texts) == ["https://management.azure.com/x?$skiptoken=token", "a token b", "token"]
    said = ["VirtualMachinePreempted", "Microsoft.Compute/virtualMachines", base64.b64encode(b"anything").decode()]
    assert redaction.apply(said) == said


def test_names_that_are_common_words_destroy_no_evidence() -> None:
    """The keys of Azure stay, and so do its operations and types."""
    group = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/error"
    text = hidden(
        {
            "id": f"{group}/providers/Microsoft.Compute/virtualMachines/deallocate",
            "error": {"message": "no right to Microsoft.Compute/virtualMachines/deallocate/action"},
        }
    )
    assert '"error": {"message": "no right to Microsoft.Compute/virtualMachines/deallocate/action"}' in text
    assert "/resourceGroups/error" not in text
    assert text.count("deallocate") == 1


def test_what_is_nearly_json_or_nearly_an_address_is_a_text() -> None:
    """It is hidden as any text is, and nothing stops at it."""
    text = hidden(["{ask jdoe@fabrikam.example", 'told: {"a": } and {"b": 1}', "the word a::b::c stays"])
    assert "jdoe" not in text
    assert "told: {" in text


def test_an_activity_log_keeps_what_was_done_and_not_with_what() -> None:
    """The request of somebody's VM stays out; so does an entry that is none. A refusal has no entries."""
    entry = {"operationName": {"value": "start"}, "properties": {"requestbody": "secret", "statusMessage": "Locked"}}
    what = seen({"activity log": [ok({"value": [entry, "odd"]}), bad(403, "AuthorizationFailed", "no")]})
    written = json.dumps(payloads(what, redaction_of(what, ())))
    assert "Locked" in written
    assert "secret" not in written
    assert "AuthorizationFailed" in written
