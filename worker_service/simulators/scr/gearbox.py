"""An automatic gearbox: shifts by the engine's speed."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gearbox:
    """When to shift. The defaults suit TORCS's p406: up just under its limiter, where the next gear pulls as well."""

    up_rpm: tuple[float, ...] = (6300.0, 6300.0, 6300.0, 6300.0)
    """Above this the gear after it is taken, from first gear on; the last gear has none."""
    down_rpm: tuple[float, ...] = (2900.0, 4000.0, 4300.0, 4450.0)
    """Below this the gear before it is taken, from second gear on."""

    def __post_init__(self) -> None:
        if not self.up_rpm or len(self.up_rpm) != len(self.down_rpm):
            raise ValueError(
                f"up_rpm has {len(self.up_rpm)} entries and down_rpm {len(self.down_rpm)}; both have one for each gear "
                "but the first"
            )

    @property
    def gears(self) -> int:
        """Forward gears."""
        return len(self.up_rpm) + 1

    def shift(self, gear: int, rpm: float) -> int:
        """The gear to take.

        Args:
            gear: engaged now; neutral or reverse lead to the first.
            rpm: the engine's speed.
        """
        if gear < 1:
            return 1
        if gear < self.gears and rpm > self.up_rpm[gear - 1]:
            return gear + 1
        if 1 < gear <= self.gears and rpm < self.down_rpm[gear - 2]:
            return gear - 1
        return gear
