"""A node of the cluster, as far as placing needs it."""

from dataclasses import dataclass
from typing import Final

GPU: Final = "nvidia.com/gpu"
"""The resource of NVIDIA's device plugin."""

SHARED_GPU: Final = "nvidia.com/gpu.shared"
"""Its name where the plugin renames what it shares (`renameByDefault`)."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """Raises nothing; whoever reads nodes checks them."""

    name: str
    hostname: str
    """The value of its label kubernetes.io/hostname."""
    gpus: int
    """Healthy GPUs."""
    unhealthy_gpus: int = 0
    """GPUs that the device plugin does not offer; nobody says which."""
    replicas: int = 1
    """How many pods the device plugin lets onto each GPU; 1: it does not share."""
    resource: str = GPU
    """What a pod requests for one of these."""
    mps: bool = False
    """Whether they are shared by MPS, which gives a pod only its part of the memory, and refuses requests for two."""
    cpu: int | None = None
    """Millicores for pods; None: not known, taken for enough."""
    memory: int | None = None
    """Bytes for pods; None: not known, taken for enough."""
    trouble: tuple[str, ...] = ()
    """Why nothing may be placed here, if so."""

    @property
    def shares(self) -> bool:
        """Whether its device plugin lets several pods onto a GPU."""
        return self.replicas > 1
