"""Kubernetes' quantities of CPU and memory, as whole numbers."""

import re
from decimal import Decimal
from typing import Final

from deploy.plan.plan_error import PlanError

SUFFIXES: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
"""What a unit of each suffix is."""

_FORM: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2})|(n|u|m|k|[MGTPE]|[KMGTPE]i)?)")


def millicores(quantity: object, where: str) -> int:
    """CPU in thousandths of a core, rounded down: "1500m" and 1.5 are 1500.

    Raises:
        PlanError: it is no quantity; `where` names the place.
    """
    return int(_value(quantity, where) * 1000)


def memory_bytes(quantity: object, where: str) -> int:
    """Memory in bytes, rounded down: "2Gi" is 2147483648.

    Raises:
        PlanError: it is no quantity; `where` names the place.
    """
    return int(_value(quantity, where))


def count(quantity: object, where: str) -> int:
    """A whole number, such as that of a node's GPUs.

    Raises:
        PlanError: it is no whole number; `where` names the place.
    """
    value = _value(quantity, where)
    if value != int(value):
        raise PlanError(f"{where} is {quantity}; it must be a whole number: correct it")
    return int(value)


def cores(millis: int) -> str:
    """CPU for people and manifests: 1500 is "1500m", 2000 is "2"."""
    return f"{millis}m" if millis % 1000 else f"{millis // 1000}"


def mebibytes(size_bytes: int) -> str:
    """Memory for people: the largest binary unit of which it is a whole number, rounded down to Mi."""
    mebi = size_bytes >> 20
    return f"{mebi // 1024}Gi" if mebi and mebi % 1024 == 0 else f"{mebi}Mi"


def memory_text(size_bytes: int) -> str:
    """Memory for manifests, exactly."""
    return f"{size_bytes}" if size_bytes % (1 << 20) else mebibytes(size_bytes)


def _value(quantity: object, where: str) -> Decimal:
    if not isinstance(quantity, bool) and isinstance(quantity, str | int | float):
        found = _FORM.fullmatch(str(quantity))
        if found is not None:
            number, exponent, suffix = found.groups()
            return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else SUFFIXES[suffix or ""])
    raise PlanError(
        f"{where} is {quantity!r}; it must be a quantity of Kubernetes, such as 500m, 4 or 16Gi: correct it"
    )
