"""The picture of a soak: memory above threads and descriptors, over time."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from deploy.pictures.style import ACCENT, FAINT, SECOND, STYLE, draw_heading, save
from tests.benchmarks.soak_verdict import Line


def draw(path: Path, lines: Sequence[Line], row: Line) -> None:
    """Draws the samples into the PNG file `path`; workers as the mean of them.

    Raises:
        OSError: the file cannot be written.
    """
    minutes = [line["seconds"] / 60 for line in lines]

    def series(name: str, *, of_a_worker: bool = False) -> list[float]:
        return [line[name] / (max(line["workers"], 1) if of_a_worker else 1) for line in lines]

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 6.6), layout="constrained")
        memory, counts = figure.subplots(2, 1, sharex=True)
        memory.plot(minutes, series("learner_anonymous_mb"), color=ACCENT, linewidth=1.6, label="learner, anonymous")
        memory.plot(minutes, series("learner_file_mb"), color=FAINT, linewidth=1.2, label="learner, files")
        memory.plot(
            minutes,
            series("workers_anonymous_mb", of_a_worker=True),
            color=SECOND,
            linewidth=1.6,
            label="mean worker, anonymous",
        )
        memory.set_ylim(bottom=0)
        memory.set_ylabel("memory (MB)")
        for subject, colour, name, of_a_worker in (
            ("learner", ACCENT, "learner", False),
            ("mean worker", SECOND, "workers", True),
        ):
            for count, dashes in (("threads", (None, None)), ("descriptors", (3, 2))):
                counts.plot(
                    minutes,
                    series(f"{name}_{count}", of_a_worker=of_a_worker),
                    color=colour,
                    linewidth=1.4,
                    dashes=dashes,
                    label=f"{subject}, {count}",
                )
        counts.set_ylim(bottom=0)
        counts.set_ylabel("threads, descriptors")
        counts.set_xlabel("minutes since the last worker joined")
        for axes in (memory, counts):
            axes.set_xlim(0, max(minutes[-1], 1e-3))
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
        subtitle = (
            f"learner {row['learner_anonymous_mb_per_hour']:+.1f} MB/h, worker "
            f"{row['worker_anonymous_mb_per_hour']:+.2f} MB/h over the second half  ·  "
            f"{row['transitions']:,} transitions  ·  {row['updates']:,} updates"
        )
        draw_heading(figure, memory, f"{row['workers']} workers, {row['minutes']:g} minutes", subtitle)
        save(figure, path)
