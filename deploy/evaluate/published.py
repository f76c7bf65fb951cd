"""Published results of Learn-to-Race, to stand beside one's own.

Of Arrival's simulator and car, which see and drive otherwise than the embedded car.
"""

from dataclasses import dataclass
from typing import Final

L2R_2021: Final = "Herman et al. 2021, arXiv:2103.11575"
SPAR_2021: Final = "Chen et al. 2021, arXiv:2110.07699"
CHALLENGE_2022: Final = "Francis et al. 2022, arXiv:2205.02953"


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One lap, as published; None where a figure is not given here."""

    name: str
    source: str
    completion_percent: float | None = None
    """ECP."""
    duration_seconds: float | None = None
    """ED, the mean."""
    duration_deviation_seconds: float | None = None
    """Its standard deviation."""
    speed_kilometres_per_hour: float | None = None
    """AATS."""
    remark: str = ""


_UNITEAM: Final = "plans, does not learn"

PUBLISHED: Final = {
    "thruxton": (
        PublishedResult(
            name="human expert",
            source=L2R_2021,
            completion_percent=100.0,
            duration_seconds=78.6,
            duration_deviation_seconds=5.2,
            speed_kilometres_per_hour=173.0,
            remark="the speed is the track's length over the duration",
        ),
        PublishedResult(
            name="MPC",
            source=L2R_2021,
            completion_percent=100.0,
            duration_seconds=301.4,
        ),
        PublishedResult(name="SAC", source=SPAR_2021, completion_percent=61.6, speed_kilometres_per_hour=48.0),
        PublishedResult(name="SPAR", source=SPAR_2021, completion_percent=79.9, speed_kilometres_per_hour=53.0),
        PublishedResult(
            name="UniTeam",
            source=CHALLENGE_2022,
            speed_kilometres_per_hour=112.4,
            remark=f"success rate 100 %; {_UNITEAM}",
        ),
    ),
    "anglesey": (
        PublishedResult(name="UniTeam", source=CHALLENGE_2022, speed_kilometres_per_hour=90.3, remark=_UNITEAM),
    ),
}
"""By circuit, in the order of publication."""
