"""Results by Learn-to-Race's metrics as a table, for people."""

from collections.abc import Sequence

from rich.table import Table

from deploy.evaluate.l2r_episode import DrivenEpisode
from deploy.evaluate.published import PublishedResult

COLUMNS = (
    "driver",
    "laps",
    "ECP [%]",
    "ECP 2 wheels [%]",
    "ED [s]",
    "AATS [km/h]",
    "ADE [m]",
    "TrA",
    "TrE",
    "MS",
    "remark",
)


def results_table(episodes: Sequence[DrivenEpisode], published: Sequence[PublishedResult]) -> Table:
    """Our episodes, then the published results of the same circuit; a dash where a figure is not given.

    "ECP 2 wheels" is what would have been completed if two wheels off the track ended an episode.
    """
    table = Table(title=f"Learn-to-Race's metrics on {episodes[0].track}")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in {"driver", "remark"} else "right")
    for episode in episodes:
        metrics = episode.metrics
        laps = ", ".join(f"{seconds:.3f}" for seconds in episode.lap_times_seconds)
        table.add_row(
            episode.driver,
            str(episode.laps_asked),
            f"{metrics.completion_percent:.1f}",
            f"{metrics.completion_within_bounds_percent:.1f}",
            f"{metrics.duration_seconds:.1f}",
            f"{metrics.speed_kilometres_per_hour:.1f}",
            f"{metrics.displacement_metres:.2f}",
            f"{metrics.admissibility:.3f}",
            f"{metrics.efficiency:.3f}",
            f"{metrics.smoothness:.2f}",
            episode.ending + (f", laps {laps} s" if laps else ""),
        )
    table.add_section()
    for result in published:
        deviation = result.duration_deviation_seconds
        table.add_row(
            result.name,
            "1",
            _figure(result.completion_percent),
            "-",
            _figure(result.duration_seconds) + ("" if deviation is None else f" ± {deviation:.1f}"),
            _figure(result.speed_kilometres_per_hour),
            *"----",
            "; ".join(filter(None, (result.remark, result.source))),
        )
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
