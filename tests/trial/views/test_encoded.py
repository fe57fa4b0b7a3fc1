"""However a name or an address is written, and wherever it stands, a trial does not write it down."""

from __future__ import annotations

import base64
import json
import string
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.trial.views.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable

SUBSCRIPTION: Final = "12ab34cd-1111-4111-8111-abcdefabcdef"


def in_base64(text: str, encoding: str = "utf-8") -> str:
    """Encode a text."""
    return base64.b64encode(text.encode(encoding)).decode()


def percent(text: str) -> str:
    """Write every letter with a percent sign."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


WAYS: Final[dict[str, Callable[[str], str]]] = {
    "with a percent sign": lambda name: quote(f"it%20is {name}'s", safe=""),
    "with percent signs": percent,
    "with percent signs twice": lambda name: quote(percent(name)),
    "with percent signs five times": lambda name: quote(quote(quote(quote(f"in/{name}/x", safe="")))),
    "with escapes of JSON": lambda name: 'told: {"by": "' + "".join(f"\\u{ord(char):04X}" for char in name),
    "in base64": in_base64,
    "as the command base64 writes it": lambda name: in_base64(f"{name}\n"),
    "in base64 after a slash": lambda name: f"https://management.azure.com/operations/{in_base64(name)}/x",
    "in base64 after other letters": lambda name: f"x{in_base64(name)}",
    "in base64 for addresses": lambda name: base64.urlsafe_b64encode(f'{{"after":\t"{name}"}}'.encode()).decode(),
    "in base64 with slashes": lambda name: in_base64(f"???>>>{name}???"),
    "in base64 between what is no text": lambda name: base64.b64encode(b"\xff\xfe\x01" + name.encode()).decode(),
    "as Windows does in base64": lambda name: in_base64(name, "utf-16-le"),
    "in hexadecimal digits": lambda name: name.encode().hex(),
}


@pytest.mark.parametrize("way", WAYS)
@given(name=st.text(string.ascii_letters + string.digits + "-", min_size=8, max_size=30))
def test_a_name_that_is_encoded_is_found(way: str, name: str) -> None:
    """In each way that was ever seen, and in some more."""
    name = f"rg-{name}-x"
    encoded = WAYS[way](name)
    redaction = Redaction()
    redaction.learn(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}/x")
    text = str(redaction.apply(f"see {encoded} there"))
    assert encoded not in text
    assert name.lower() not in text.lower()
    assert text.startswith("see ")
    assert text.endswith(" there")


@pytest.mark.parametrize(
    "secret",
    ["jane.doe@contoso.example", "203.0.113.77", SUBSCRIPTION, "contoso.azurecr.io", "2603:1020:201:10::3f"],
)
@pytest.mark.parametrize("way", [way for way in WAYS if "no text" not in way and "other letters" not in way])
def test_what_tells_by_its_shape_is_found_where_it_stands_only_encoded(way: str, secret: str) -> None:
    """Nothing else names it."""
    encoded = WAYS[way](secret)
    redaction = Redaction()
    redaction.learn({"told": encoded})
    assert encoded not in str(redaction.apply(encoded))


@pytest.mark.parametrize(
    "written",
    [
        SUBSCRIPTION.replace("-", ""),
        SUBSCRIPTION.replace("-", "_"),
        SUBSCRIPTION.replace("-", "%2D"),
        f"st{SUBSCRIPTION.replace('-', '')}log",
        f"rg-{SUBSCRIPTION[:8]}-dev",
    ],
)
def test_an_id_without_its_hyphens_is_found(written: str) -> None:
    """Accounts are called so, since their names have letters and digits only; groups by the first part."""
    redaction = Redaction()
    redaction.hide("known", [SUBSCRIPTION])
    assert SUBSCRIPTION[:8] not in str(redaction.apply(f"in {written}."))


def test_what_is_no_encoding_stays() -> None:
    """Nor does a name of three letters, which may come about by chance, make a token of an event."""
    redaction = Redaction()
    redaction.learn("/resourceGroups/web/x")
    kept = ["VirtualMachinePreempted", "100% of it", "lowPriorityCores", "deadbeefdeadbeef", "a%2Fb%", "cafe0123"]
    assert redaction.apply(kept) == kept


def test_half_a_token_at_a_cut_goes() -> None:
    """However long it is."""
    token = "".join(f"{number:04d}abcd" for number in range(40))
    redaction = Redaction()
    redaction.learn([token, "/resourceGroups/rg-secret/x"])
    before = "it was said that " * 5
    assert redaction.apply(f"{before}{token[:200]} … {token[-200:]} x") == f"{before}(cut) … (cut) x"
    assert redaction.apply(f"{before}{token[:200]}") == f"{before}(cut)"
    assert redaction.apply(f"{before}rg-sec … cret") == f"{before}(cut) … (cut)"


def left_of(payload: object, *known: str) -> str:
    """Give what is left of a payload, by itself."""
    redaction = Redaction()
    redaction.hide("known", known)
    redaction.learn(payload)
    return json.dumps(redaction.apply(payload), ensure_ascii=False)


SENTENCES: Final = {
    "The client address is 203.0.113.77.": "203.0.113",
    "203.0.113.77...and": "203.0.113",
    "No right in /subscriptions/x/resourceGroups/rg-a. Ask the owner of rg-a": "rg-a",
    "No right in /subscriptions/x/resourceGroups/rg-a, or rg-a is locked": "rg-a",
    "(scope /subscriptions/x/resourceGroups/rg-a) rg-a is locked": "rg-a",
    "In /subscriptions/x/resourceGroups/rg(a)! Ask rg(a)": "rg(a)",
    "The deny assignment with name 'Contoso Treasury freeze' is against it": "Contoso",
    "Resource group 'payroll' could not be found": "payroll",
    "Resource group `payroll` could not be found": "payroll",
    "Ask O'Brien's team, 'O'Brien's own'": "own",
    'The tag "Cost center of Jane" is missing': "Jane",
    "The scope pay-roll01 is locked": "roll01",
    "connect to contoso.azurecr.io or contoso.documents.azure.com or contoso.sharepoint.com": "contoso",
    "gtpkgx.ax.internal.cloudapp.net is its name": "gtpkgx",
    "The tenant contoso.example of jane.doe@contoso.example": "contoso",
    "jane@laptop may not": "laptop",
    "CONTOSO\\jane may not": "jane",
    "00-0D-3A-12-34-56 is its card": "3A-12",
    "Bearer abcdef123456 was refused": "abcdef",
    "https://x.blob.core.windows.net/a?sv=2024&sig=abc%2Bdef%3D&se=2": "def",
    "AccountKey=short/key; more": "short/key",
    "abc8Q~defghijklmnopqrstuvwx.ab was refused": "defghi",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_tells_nobodys_name(sentence: str) -> None:
    """Azure's sentences quote what people have named, and end with a full stop right after it."""
    assert SENTENCES[sentence] not in left_of({"error": {"code": "Odd", "message": sentence}})


VALUES: Final = {
    "createdBy": "Jane Doe",
    "adminPassword": "Hunter2!",
    "accessKey": "shortkey1",
    "macAddress": "000D3A123456",
    "resourceGroup": "payroll",
    "displayName": "Microsoft.Contoso Secret",
    "internalDomainNameSuffix": "gtpkgx.ax.internal.cloudapp.net",
    "secret": "ab",
}


@pytest.mark.parametrize("key", VALUES)
def test_what_a_key_says_is_somebodys_goes(key: str) -> None:
    """People, groups, passwords: whatever they look like."""
    assert VALUES[key] not in left_of({"systemData": {key: VALUES[key]}})


@pytest.mark.parametrize("key", ["claims", "tags"])
def test_claims_and_tags_that_are_a_text_tell_as_little(key: str) -> None:
    """Azure writes them as JSON in JSON here and there."""
    text = left_of({key: json.dumps({"jobTitle": "Chief Secret Officer", "ctry": "DE"})})
    assert "Secret" not in text
    assert "DE" not in text


def test_what_makes_a_payload_a_fixture_stays() -> None:
    """Types, versions, codes, times, sizes, regions, and the words that Azure has for states."""
    message = (
        "The operation 'start' of size 'Standard_D2s_v5' in 'westeurope' by version '2024-07-01' failed with 'Odd', "
        "state 'PowerState/running', see https://aka.ms/x: 'Microsoft.Compute/virtualMachines/start/action', 'maxPrice'"
        " and read-only, ipv4, 1e-05, at '2030-01-01T00:00:00Z'; properties.id of this.md is \"1\""
    )
    payload = {
        "id": f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/x",
        "error": {"code": "Odd", "message": message},
        "location": "westeurope",
        "properties": {
            "provisioningState": "Succeeded",
            "maxPrice": 1,
            "osName": "ubuntu",
            "code": "PowerState/running",
        },
        "type": "Microsoft.Compute/virtualMachines",
        "time": "2030-01-01T00:00:00.0000000Z",
        "claims": {"aud": "https://management.azure.com/"},
    }
    kept = json.loads(left_of(payload))
    assert kept["error"] == payload["error"]
    assert kept["properties"] == payload["properties"]
    assert kept["id"].startswith("/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Compute/loc")
    assert "/westeurope/" in kept["id"]
