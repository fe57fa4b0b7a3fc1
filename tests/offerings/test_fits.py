"""Which sizes a VM may become: each refusal of Azure that can be foreseen, with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_responder.offerings.all_fits import fit_of
from spot_responder.offerings.fits import Aspect, Fit, Verdict
from spot_responder.offerings.prices import Os
from spot_responder.offerings.spot_cores import SpotCores
from tests.offerings.sizes import PLENTY, changed, recorded, vm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spot_responder.offerings.skus import Sku
    from spot_responder.offerings.vm_shapes import VmShape

FITS, UNFIT, UNKNOWN = Verdict.FITS, Verdict.UNFIT, Verdict.UNKNOWN
RECORDED = recorded()


def fit(
    to: str, machine: VmShape, skus: Mapping[str, Sku] | None = None, cores: SpotCores | None = PLENTY, **prices: float
) -> Fit:
    """Compare with a size as recorded, where nothing else is said."""
    return fit_of(machine, to, RECORDED if skus is None else skus, cores, prices.get("price"))


def of(found: Fit, aspect: Aspect) -> tuple[Verdict, str]:
    """Give one finding."""
    (finding,) = [each for each in found.findings if each.aspect is aspect]
    return finding.verdict, finding.told


def test_the_next_size_of_the_same_family_fits() -> None:
    """And nothing has to be told about it."""
    found = fit("Standard_D4s_v3", vm())
    assert (found.verdict, found.because) == (FITS, ())


# The size that is asked for, the VM, the aspect, the verdict, and words of the reason.
RULES: list[tuple[str, dict[str, Any], Aspect, Verdict, str]] = [
    # Not the VM's choice: what Azure offers, and where.
    ("Standard_D2s_v3", {}, Aspect.SIZE, UNFIT, "the size that the VM has"),
    ("standard_d2s_V3", {}, Aspect.SIZE, UNFIT, "the size that the VM has"),
    ("Standard_D4as_v9", {}, Aspect.OFFERED, UNFIT, "Azure offers no size Standard_D4as_v9 in southcentralus"),
    ("Standard_B20ms", {}, Aspect.SPOT, UNFIT, "Standard_B20ms cannot be Spot"),
    ("Standard_A0", {}, Aspect.SPOT, UNFIT, "Standard_A0 cannot be Spot"),
    ("Standard_D2as_v6", {"zone": "1"}, Aspect.ZONE, UNFIT, "in zone 1, and Standard_D2as_v6 is offered in zone 2, 3"),
    ("Standard_D2as_v6", {"zone": "3"}, Aspect.ZONE, FITS, ""),
    ("Standard_A0", {"zone": "1"}, Aspect.ZONE, UNFIT, "offered in no zone"),
    ("Standard_A0", {}, Aspect.ZONE, FITS, ""),
    # "cannot boot Hypervisor Generation '1'", "due to different CPU Architectures".
    ("Standard_D16plds_v5", {}, Aspect.ARCHITECTURE, UNFIT, "Standard_D16plds_v5 is Arm64, the VM is not"),
    ("Standard_D2_v5", {}, Aspect.ARCHITECTURE, FITS, ""),
    ("Standard_D2_v3", {}, Aspect.GENERATION, UNFIT, "boots Hyper-V generation V1 only, and the VM is of V2"),
    ("Standard_DC8s_v3", {"generation": "V1"}, Aspect.GENERATION, UNFIT, "generation V2 only, and the VM is of V1"),
    ("Standard_D2_v3", {"generation": "V1"}, Aspect.GENERATION, FITS, ""),
    ("Standard_D2_v3", {"generation": ""}, Aspect.GENERATION, UNKNOWN, "Azure does not say of which the VM is"),
    ("Standard_D4s_v3", {"generation": ""}, Aspect.GENERATION, FITS, ""),
    # "cannot boot with DiskControllerType": never from SCSI to NVMe, nor back.
    ("Standard_D2as_v6", {}, Aspect.DISK_CONTROLLER, UNFIT, "disks are on scsi, and Standard_D2as_v6 has nvme only"),
    ("Standard_D2as_v6", {"disk_controller": "NVMe"}, Aspect.DISK_CONTROLLER, FITS, ""),
    ("Standard_D4s_v3", {"disk_controller": "NVMe"}, Aspect.DISK_CONTROLLER, UNFIT, "are on nvme"),
    ("Standard_D4s_v3", {"disk_controller": ""}, Aspect.DISK_CONTROLLER, FITS, ""),
    ("Standard_D2as_v6", {"disk_controller": ""}, Aspect.DISK_CONTROLLER, UNFIT, "are on scsi"),
    (
        "Standard_D2as_v6",
        {"disk_controller": "", "size": "Standard_D128ds_v6"},
        Aspect.DISK_CONTROLLER,
        FITS,
        "",
    ),
    (
        "Standard_D2as_v6",
        {"disk_controller": "", "size": "Standard_Retired"},
        Aspect.DISK_CONTROLLER,
        UNKNOWN,
        "Azure does not say which disk controller",
    ),
    (
        "Standard_D2as_v6",
        {"disk_controller": "", "size": "Standard_Retired", "generation": "V1"},
        Aspect.DISK_CONTROLLER,
        UNFIT,
        "are on scsi",
    ),
    # "changing from resource disk to non-resource disk VM size and vice-versa is not allowed".
    (
        "Standard_D2_v5",
        {"os": Os.WINDOWS},
        Aspect.TEMPORARY_DISK,
        UNFIT,
        "Standard_D2s_v3 has a temporary disk on SCSI, Standard_D2_v5 has no temporary disk, and Windows cannot change",
    ),
    (
        "Standard_D2s_v3",
        {"os": Os.WINDOWS, "size": "Standard_D2_v5"},
        Aspect.TEMPORARY_DISK,
        UNFIT,
        "Windows cannot change between them",
    ),
    ("Standard_D4s_v3", {"os": Os.WINDOWS}, Aspect.TEMPORARY_DISK, FITS, ""),
    (
        "Standard_D128ds_v6",
        {"os": Os.WINDOWS},
        Aspect.TEMPORARY_DISK,
        UNFIT,
        "has a temporary disk on NVMe, and Windows",
    ),
    ("Standard_D2_v5", {}, Aspect.TEMPORARY_DISK, FITS, "Standard_D2_v5 has no temporary disk"),
    ("Standard_D2_v5", {"os": None}, Aspect.TEMPORARY_DISK, UNKNOWN, "does not say whether the VM runs Windows"),
    (
        "Standard_D4s_v3",
        {"os": Os.WINDOWS, "size": "Standard_Retired"},
        Aspect.TEMPORARY_DISK,
        UNKNOWN,
        "Azure does not say whether Standard_Retired has a temporary disk",
    ),
    ("Standard_D4s_v3", {"size": "Standard_Retired"}, Aspect.TEMPORARY_DISK, FITS, "Azure does not say"),
    # VMSizeIsNotPermittedToEnableAcceleratedNetworking.
    ("Standard_B1s", {}, Aspect.NETWORKING, UNFIT, "uses accelerated networking, which Standard_B1s does not have"),
    ("Standard_B1s", {"has_accelerated_networking": False}, Aspect.NETWORKING, FITS, ""),
    ("Standard_B1s", {"has_accelerated_networking": None}, Aspect.NETWORKING, UNKNOWN, "not known whether the VM uses"),
    ("Standard_D4s_v3", {"has_accelerated_networking": None}, Aspect.NETWORKING, FITS, ""),
    # Premium disks need an "s" in the name.
    ("Standard_D2_v5", {}, Aspect.PREMIUM_DISKS, UNFIT, "uses premium disks, which Standard_D2_v5 does not have"),
    ("Standard_D2_v5", {"disk_types": ("Standard_LRS",)}, Aspect.PREMIUM_DISKS, FITS, ""),
    ("Standard_D2_v5", {"disk_types": ("Standard_LRS", "PremiumV2_LRS")}, Aspect.PREMIUM_DISKS, UNFIT, "premium"),
    ("Standard_D2_v5", {"disk_types": ("",)}, Aspect.PREMIUM_DISKS, UNKNOWN, "it is not known whether the VM uses it"),
    ("Standard_D4s_v3", {"disk_types": ("",)}, Aspect.PREMIUM_DISKS, FITS, ""),
    ("Standard_DC8s_v3", {"disk_types": ("UltraSSD_LRS",)}, Aspect.PREMIUM_DISKS, UNKNOWN, "ultra disk"),
    ("Standard_D4s_v3", {"disk_types": ("UltraSSD_LRS",)}, Aspect.PREMIUM_DISKS, FITS, ""),
    # How many disks and network interfaces a size takes.
    ("Standard_D2_v5", {"data_disks": 5}, Aspect.DATA_DISKS, UNFIT, "has 5 data disks, and Standard_D2_v5 takes 4"),
    ("Standard_D4s_v3", {"data_disks": 8}, Aspect.DATA_DISKS, FITS, ""),
    ("Standard_D4s_v3", {"data_disks": None}, Aspect.DATA_DISKS, UNKNOWN, "does not say how many the VM has"),
    ("Standard_D4s_v3", {"nics": 3}, Aspect.NICS, UNFIT, "has 3 network interfaces, and Standard_D4s_v3 takes 2"),
    ("Standard_D4s_v3", {"nics": None}, Aspect.NICS, UNKNOWN, "does not say how many the VM has"),
    # PropertyChangeNotAllowed.
    ("Standard_M8-2ms", {"security_type": "TrustedLaunch"}, Aspect.SECURITY_TYPE, UNFIT, "has Trusted Launch"),
    ("Standard_D4s_v3", {"security_type": "trustedLaunch"}, Aspect.SECURITY_TYPE, FITS, ""),
    ("Standard_D4s_v3", {"security_type": "ConfidentialVM"}, Aspect.SECURITY_TYPE, UNFIT, "the VM is confidential"),
    ("Standard_D4s_v3", {"security_type": "Sealed"}, Aspect.SECURITY_TYPE, UNKNOWN, "type Sealed is not known here"),
    # Encryption.
    ("Standard_D2_v3", {"encrypts_at_host": True}, Aspect.ENCRYPTION, UNFIT, "the VM uses encryption at host"),
    ("Standard_D4s_v3", {"encrypts_at_host": True}, Aspect.ENCRYPTION, FITS, ""),
    ("Standard_D2as_v6", {"has_disk_encryption": True}, Aspect.ENCRYPTION, UNFIT, "does not work on Standard_D2as_v6"),
    ("Standard_D4s_v3", {"has_disk_encryption": True}, Aspect.ENCRYPTION, FITS, ""),
    ("Standard_M8-2ms", {"has_disk_encryption": True}, Aspect.ENCRYPTION, FITS, ""),
    # What cannot be deallocated, and what is bound to a cluster.
    ("Standard_D4s_v3", {"has_ephemeral_os_disk": True}, Aspect.EPHEMERAL_OS_DISK, UNFIT, "OS disk is ephemeral"),
    ("Standard_D4s_v3", {"has_placement_group": True}, Aspect.PLACEMENT_GROUP, UNKNOWN, "proximity placement group"),
]


@pytest.mark.parametrize(("to", "machine", "aspect", "verdict", "told"), RULES)
def test_each_rule_says_why(to: str, machine: dict[str, Any], aspect: Aspect, verdict: Verdict, told: str) -> None:
    """The reason is one sentence, without its full stop."""
    found = of(fit(to, vm(**machine)), aspect)
    assert found[0] is verdict
    assert told in found[1]
    assert bool(found[1]) or verdict is FITS
    assert not found[1].endswith(".")


# A capability that Azure does not give: the size, the capability, the aspect.
SILENCE: list[tuple[str, Aspect]] = [
    ("LowPriorityCapable", Aspect.SPOT),
    ("CpuArchitectureType", Aspect.ARCHITECTURE),
    ("HyperVGenerations", Aspect.GENERATION),
    ("AcceleratedNetworkingEnabled", Aspect.NETWORKING),
    ("PremiumIO", Aspect.PREMIUM_DISKS),
    ("MaxDataDiskCount", Aspect.DATA_DISKS),
    ("MaxNetworkInterfaces", Aspect.NICS),
    ("EncryptionAtHostSupported", Aspect.ENCRYPTION),
    ("vCPUs", Aspect.QUOTA),
]


@pytest.mark.parametrize(("capability", "aspect"), SILENCE)
@pytest.mark.parametrize("value", [None, ""])
def test_what_azure_does_not_tell_is_unknown(capability: str, aspect: Aspect, value: str | None) -> None:
    """It is no "no", no "yes", and no 0."""
    machine = vm(data_disks=1, encrypts_at_host=True)
    found = fit("Standard_D4s_v3", machine, changed(RECORDED, "Standard_D4s_v3", **{capability: value}))
    assert of(found, aspect)[0] is UNKNOWN
    assert found.verdict is UNKNOWN
    assert "Azure does not say" in found.because[0].told


def test_a_size_that_does_not_tell_of_its_temporary_disk() -> None:
    """Windows needs to know; Linux can change."""
    skus = changed(RECORDED, "Standard_D4s_v3", MaxResourceVolumeMB=None)
    told = "Azure does not say whether Standard_D4s_v3 has a temporary disk"
    assert of(fit("Standard_D4s_v3", vm(os=Os.WINDOWS), skus), Aspect.TEMPORARY_DISK) == (UNKNOWN, told)
    assert of(fit("Standard_D4s_v3", vm(), skus), Aspect.TEMPORARY_DISK) == (FITS, told)


def test_a_local_disk_on_nvme_is_told_by_its_size_or_by_the_name() -> None:
    """``Standard_D128ds_v6`` has a "d"; a size without one has no such disk."""
    skus = changed(RECORDED, "Standard_D128ds_v6", NvmeDiskSizeInMiB=None)
    for sizes in (RECORDED, skus):
        found = of(fit("Standard_D128ds_v6", vm(), sizes), Aspect.TEMPORARY_DISK)
        assert "Standard_D128ds_v6 has a temporary disk on NVMe" in found[1]
    assert "Standard_D2as_v6 has no temporary disk" in of(fit("Standard_D2as_v6", vm()), Aspect.TEMPORARY_DISK)[1]


def test_a_size_that_takes_no_network_interface_is_a_size_that_does_not_tell() -> None:
    """Some sizes say 0."""
    skus = changed(RECORDED, "Standard_D4s_v3", MaxNetworkInterfaces="0")
    assert of(fit("Standard_D4s_v3", vm(), skus), Aspect.NICS)[0] is UNKNOWN


def test_nothing_is_known_of_the_vms_own_size() -> None:
    """Where Azure no longer lists it, what follows from it is unknown."""
    found = fit("Standard_D4s_v3", vm(size="Standard_Retired"))
    assert {each.aspect for each in found.because} == {Aspect.ARCHITECTURE, Aspect.QUOTA}
    assert found.verdict is UNKNOWN


def test_a_source_that_is_out_makes_its_values_unknown() -> None:
    """Without the list of sizes nothing is said about any of them."""
    found = fit_of(vm(), "Standard_D4s_v3", None, PLENTY, None)
    assert (found.verdict, found.because[0].told) == (
        UNKNOWN,
        "which sizes Azure offers in southcentralus is not known now",
    )


def test_a_size_that_is_restricted() -> None:
    """For the whole region, for a use that is no VM, or in a way that is not known here."""
    of_region = replace(RECORDED["standard_d4s_v3"], refused="NotAvailableForSubscription")
    assert of(fit("Standard_D4s_v3", vm(), {**RECORDED, "standard_d4s_v3": of_region}), Aspect.OFFERED) == (
        UNFIT,
        "Azure does not offer Standard_D4s_v3 to this subscription in southcentralus (NotAvailableForSubscription)",
    )
    odd = replace(RECORDED["standard_d4s_v3"], odd_restriction="'Planet' (QuotaId)")
    assert of(fit("Standard_D4s_v3", vm(), {**RECORDED, "standard_d4s_v3": odd}), Aspect.OFFERED)[0] is UNKNOWN
    other_use = changed(RECORDED, "Standard_D4s_v3", VMDeploymentTypes="PaaS")
    assert of(fit("Standard_D4s_v3", vm(), other_use), Aspect.OFFERED)[0] is UNFIT


def test_confidential_vms_stay_among_their_kind() -> None:
    """SEV-SNP is not TDX, and a size for confidential VMs may take no other."""
    sizes = changed(RECORDED, "Standard_D2s_v3", ConfidentialComputingType="SNP")
    for kind, verdict in (("SNP", FITS), ("TDX", UNFIT)):
        among = changed(sizes, "Standard_D4s_v3", ConfidentialComputingType=kind)
        assert of(fit("Standard_D4s_v3", vm(security_type="ConfidentialVM"), among), Aspect.SECURITY_TYPE)[0] is verdict
    only = changed(RECORDED, "Standard_D4s_v3", ConfidentialComputingType="SNP")
    for security_type, verdict in (("ConfidentialVM", UNKNOWN), ("Standard", UNKNOWN), ("TrustedLaunch", UNFIT)):
        found = of(fit("Standard_D4s_v3", vm(security_type=security_type), only), Aspect.SECURITY_TYPE)
        assert found[0] is verdict


def test_the_quota_has_to_hold_the_difference() -> None:
    """A VM that is deallocated counts already: two cores more are needed, not four."""
    machine = vm()
    assert of(fit("Standard_D4s_v3", machine, cores=SpotCores(98, 100)), Aspect.QUOTA)[0] is FITS
    assert of(fit("Standard_D4s_v3", machine, cores=SpotCores(99, 100)), Aspect.QUOTA) == (
        UNFIT,
        "it takes 2 Spot cores more, and 1 of 100 are left in southcentralus",
    )
    assert of(fit("Standard_D4s_v3", machine, cores=SpotCores(120, 100)), Aspect.QUOTA)[0] is UNFIT
    assert of(fit("Standard_D4s_v3", machine, cores=None), Aspect.QUOTA)[0] is UNKNOWN
    # Fewer cores, or as many, need none.
    for size in ("Standard_D2_v5", "Standard_B1s"):
        assert of(fit(size, machine, cores=SpotCores(100, 100)), Aspect.QUOTA)[0] is FITS


def test_the_max_price_is_compared_with_the_price_of_the_new_size() -> None:
    """Which must be known, where there is a limit; a price of nothing is none."""
    machine = vm(max_price=0.05)
    assert of(fit("Standard_D4s_v3", machine, price=0.049), Aspect.PRICE)[0] is FITS
    assert of(fit("Standard_D4s_v3", machine, price=0.051), Aspect.PRICE) == (
        UNFIT,
        "Standard_D4s_v3 costs 0.051 USD an hour, more than the VM's max price of 0.05",
    )
    assert of(fit("Standard_D4s_v3", machine, price=0.05), Aspect.PRICE)[0] is UNKNOWN
    assert of(fit("Standard_D4s_v3", machine), Aspect.PRICE)[0] is UNKNOWN
    assert of(fit("Standard_D4s_v3", vm()), Aspect.PRICE)[0] is FITS


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "os": st.sampled_from([*Os, None]),
        "generation": st.sampled_from(["V1", "V2", ""]),
        "disk_controller": st.sampled_from(["SCSI", "NVMe", ""]),
        "zone": st.sampled_from([None, "1", "2", "3"]),
        "size": st.sampled_from(sorted(sku.name for sku in RECORDED.values())),
        "max_price": st.sampled_from([None, 0.01]),
        "data_disks": st.sampled_from([None, 0, 4, 40]),
    },
)


@given(machine=OPTIONS.map(lambda fields: vm(**fields)), to=st.sampled_from(sorted(RECORDED)))
def test_a_size_that_fits_boots_the_vm(machine: VmShape, to: str) -> None:
    """Whatever the VM: no change of controller, none of architecture, none of Windows' temporary disk."""
    if fit(to, machine).verdict is not FITS:
        return
    own, new = RECORDED[machine.size.lower()], RECORDED[to]
    controllers = new.words("DiskControllerTypes") or {"scsi"}
    assert (machine.disk_controller.lower() or "scsi") in controllers or own.words("DiskControllerTypes") == controllers
    assert own.words("CpuArchitectureType") == new.words("CpuArchitectureType")
    assert machine.os is not Os.WINDOWS or bool(own.number("MaxResourceVolumeMB")) == bool(
        new.number("MaxResourceVolumeMB")
    )
    assert machine.zone is None or machine.zone in new.zones
    assert new.flag("LowPriorityCapable") is True


@given(machine=OPTIONS.map(lambda fields: vm(**fields)), to=st.sampled_from(sorted(RECORDED)))
def test_every_no_and_every_unknown_has_a_reason(machine: VmShape, to: str) -> None:
    """Nobody is left to guess."""
    found = fit(to, machine)
    assert found.verdict is FITS or found.because
    assert all(each.told for each in found.findings if each.verdict is not FITS)
