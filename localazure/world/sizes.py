"""The sizes of the laptop Azure, with what decides whether a VM may take them. As Microsoft's pages describe them.

Read by the fronts of SKUs and prices. A VM may have a size that is not here: then Azure does not describe it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Size:
    """One size. ``temporary_gb``: of its temporary disk, 0 where it has none; ``controllers``: ``""`` is not told."""

    name: str
    family: str
    cores: int
    memory_gb: float
    temporary_gb: int
    data_disks: int
    nics: int = 2
    generations: str = "V1,V2"
    controllers: str = ""
    architecture: str = "x64"
    is_spot_capable: bool = True
    has_accelerated_networking: bool = True
    has_premium_disks: bool = True
    nvme_mib: int = 0

    def capabilities(self) -> dict[str, str]:
        """Give the capabilities in Azure's words; what a size does not have may not be told at all."""
        told = {
            "MaxResourceVolumeMB": f"{self.temporary_gb * 1024}",
            "OSVhdSizeMB": "1047552",
            "vCPUs": f"{self.cores}",
            "HyperVGenerations": self.generations,
            "MemoryGB": f"{self.memory_gb:g}",
            "MaxDataDiskCount": f"{self.data_disks}",
            "CpuArchitectureType": self.architecture,
            "LowPriorityCapable": f"{self.is_spot_capable}",
            "PremiumIO": f"{self.has_premium_disks}",
            "VMDeploymentTypes": "IaaS",
            "vCPUsAvailable": f"{self.cores}",
            "EphemeralOSDiskSupported": f"{self.temporary_gb > 0}",
            "EncryptionAtHostSupported": "True",
            "AcceleratedNetworkingEnabled": f"{self.has_accelerated_networking}",
            "MaxNetworkInterfaces": f"{self.nics}",
        }
        told |= {"DiskControllerTypes": self.controllers} if self.controllers else {}
        told |= {"NvmeDiskSizeInMiB": f"{self.nvme_mib}"} if self.nvme_mib else {}
        return told | ({"TrustedLaunchDisabled": "True"} if self.architecture != "x64" else {})


SIZES: Final = (
    Size(
        "Standard_A2_v2",
        "standardAv2Family",
        2,
        4,
        20,
        4,
        generations="V1",
        has_accelerated_networking=False,
        has_premium_disks=False,
    ),
    Size("Standard_B2s", "standardBSFamily", 2, 4, 8, 4, is_spot_capable=False, has_accelerated_networking=False),
    Size("Standard_D2s_v3", "standardDSv3Family", 2, 8, 16, 4),
    Size("Standard_D4s_v3", "standardDSv3Family", 4, 16, 32, 8),
    Size("Standard_D2s_v4", "standardDSv4Family", 2, 8, 0, 4),
    Size("Standard_D4s_v4", "standardDSv4Family", 4, 16, 0, 8),
    Size("Standard_D2s_v5", "standardDSv5Family", 2, 8, 0, 4, controllers="SCSI"),
    Size("Standard_D4s_v5", "standardDSv5Family", 4, 16, 0, 8, controllers="SCSI"),
    Size("Standard_D8s_v5", "standardDSv5Family", 8, 32, 0, 16, nics=4, controllers="SCSI"),
    Size("Standard_D2as_v5", "standardDASv5Family", 2, 8, 0, 4, controllers="SCSI"),
    Size("Standard_D4as_v5", "standardDASv5Family", 4, 16, 0, 8, controllers="SCSI"),
    Size("Standard_D2ds_v5", "standardDDSv5Family", 2, 8, 75, 4, controllers="SCSI"),
    Size("Standard_D4ds_v5", "standardDDSv5Family", 4, 16, 150, 8, controllers="SCSI"),
    Size("Standard_D4ps_v5", "standardDPSv5Family", 4, 16, 0, 8, generations="V2", architecture="Arm64"),
    Size("Standard_D4s_v6", "StandardDsv6Family", 4, 16, 0, 12, generations="V2", controllers="NVMe"),
    Size(
        "Standard_D4ds_v6", "StandardDdsv6Family", 4, 16, 0, 12, generations="V2", controllers="NVMe", nvme_mib=225_280
    ),
    Size("Standard_E2s_v5", "standardESv5Family", 2, 16, 0, 4, controllers="SCSI"),
    Size("Standard_E4s_v5", "standardESv5Family", 4, 32, 0, 8, controllers="SCSI"),
    Size("Standard_F2s_v2", "standardFSv2Family", 2, 4, 16, 4),
    Size("Standard_F4s_v2", "standardFSv2Family", 4, 8, 32, 8),
    Size("Standard_F8s_v2", "standardFSv2Family", 8, 16, 64, 16, nics=4),
)
