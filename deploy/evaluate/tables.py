"""The tables that an evaluation prints."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table
from rich.text import Text

from deploy.evaluate.evaluation import Aggregate, Evaluation, Play, Result
from deploy.evaluate.statistics import CONFIDENCE, Estimate, LapFigures

NONE: Final = "–"  # noqa: RUF001
"""Where a figure does not apply."""

INTERVAL: Final = f"{100 * CONFIDENCE:.0f} % interval"

FIGURES: Final = {
    "median_ratio": ("interquartile mean of median lap ratios", "{:.4f}"),
    "minimum_ratio": ("interquartile mean of minimum lap ratios", "{:.4f}"),
    "median_seconds": ("interquartile mean of median laps", "{:.3f} s"),
    "minimum_seconds": ("interquartile mean of minimum laps", "{:.3f} s"),
    "completion": ("mean completion", "{:.1%}"),
    "mean_return": ("interquartile mean of mean returns", "{:,.2f}"),
}
"""Titles and formats of aggregated figures."""


def tables(evaluation: Evaluation) -> Iterator[Table | Text]:
    """What to print, in order."""
    yield _laps_table(evaluation) if evaluation.races else _returns_table(evaluation)
    lost = sum(race.figures.starts_lost for _, race in evaluation.races)
    if lost:
        starts = "1 start" if lost == 1 else f"{lost} starts"
        yield Text(f"{starts} never reached the line; each counts as a lost lap in the completion", style="dim")
    if evaluation.aggregate is not None:
        yield _aggregate_table(evaluation.aggregate, len(evaluation.results))
        if evaluation.aggregate.absent is not None:
            yield Text(evaluation.aggregate.absent, style="yellow")


def _laps_table(evaluation: Evaluation) -> Table:
    races = evaluation.races
    optima = {race.track.name: race.optimum.flying_lap_seconds for _, race in races if race.optimum}
    table = _table("Flying laps (s)")
    table.add_column("policy", overflow="fold")
    # Narrow, so that all of it fits a terminal of 80 columns.
    for title in ("clean", "", "min", "median", "mean", "σ", "σ %"):  # noqa: RUF001
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("min\nratio", "median\nratio") if optima else ():
        table.add_column(title, justify="right", no_wrap=True)
    for result, race in races:
        figures = race.figures
        ratios = (figures.minimum_ratio, figures.median_ratio) if optima else ()
        table.add_row(_name(result), *_lap_cells(figures), *(_text("{:.4f}", ratio) for ratio in ratios))
    tracks = {race.track.name: NONE for _, race in races} | {name: f"{s:.3f} s" for name, s in optima.items()}
    table.caption = "optimum: " + ", ".join(f"{name} {text}" for name, text in tracks.items())
    return table


def _lap_cells(figures: LapFigures) -> list[str]:
    return [
        f"{figures.laps_clean}/{figures.laps_begun + figures.starts_lost}",
        f"{figures.completion:.1%}",
        *(_text("{:.3f}", s) for s in (figures.minimum_seconds, figures.median_seconds, figures.mean_seconds)),
        _text("{:.3f}", figures.sigma_seconds),
        _text("{:.2f}", figures.sigma_percent),
    ]


def _returns_table(evaluation: Evaluation) -> Table:
    table = _table("Returns")
    for title in ("policy", "episodes", "mean", INTERVAL, "median", "σ"):  # noqa: RUF001
        table.add_column(title, justify="left" if title == "policy" else "right", overflow="fold")
    for result in evaluation.results:
        assert isinstance(result.driven, Play)
        figures = result.driven.figures
        table.add_row(
            _name(result),
            f"{figures.episodes}",
            f"{figures.mean_return.value:,.2f}",
            _interval("{:,.2f}", figures.mean_return),
            f"{figures.median_return:,.2f}",
            _text("{:,.2f}", figures.sigma_return),
        )
    return table


def _aggregate_table(aggregate: Aggregate, policies: int) -> Table:
    table = _table(f"Over {policies} policies")
    for heading in ("", "", INTERVAL):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    figures = dict(aggregate.interquartile_means)
    if aggregate.mean_completion is not None:
        figures["completion"] = aggregate.mean_completion
    for name, estimate in figures.items():
        text, form = FIGURES[name]
        table.add_row(text, form.format(estimate.value), _interval(form, estimate))
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        caption_justify="left",
        caption_style="dim",
        box=None,
        padding=(0, 1, 0, 0),
    )


def _name(result: Result) -> str:
    return f"{result.label}\nversion {result.saved.version.version}"


def _interval(form: str, estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return NONE
    return f"{form.format(estimate.low)} to {form.format(estimate.high)}"


def _text(form: str, value: float | None) -> str:
    return NONE if value is None else form.format(value)
