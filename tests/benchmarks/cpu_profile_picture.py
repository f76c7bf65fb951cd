"""The picture of a profile: for each process a bar a function."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from deploy.pictures.style import ACCENT, FAINT, SECOND, STYLE, draw_heading, save

ROW_INCHES = 0.23


def draw(path: Path, profiles: Mapping[str, Counter[str]], most: int) -> None:
    """Draws samples by function, for each process by its title, into the PNG file `path`; the rest as one bar.

    Raises:
        OSError: the file cannot be written.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, ROW_INCHES * (most + 5) * len(profiles)), layout="constrained")
        panels = figure.subplots(len(profiles), 1, squeeze=False)[:, 0]
        for axes, (title, samples) in zip(panels, profiles.items(), strict=True):
            bars = samples.most_common(most)
            bars.append(("all others", samples.total() - sum(count for _, count in bars)))
            names = [name for name, _ in bars]
            shares = [100 * count / samples.total() for _, count in bars]
            # Threads without a function of the project are those of gRPC and other libraries.
            colours = [
                FAINT if name == "all others" else SECOND if name.startswith("thread ") else ACCENT for name in names
            ]
            axes.barh(range(len(bars)), shares, color=colours, height=0.75)
            axes.set_yticks(range(len(bars)), names, fontsize=8)
            axes.set_ylim(len(bars) - 0.4, -0.6)
            axes.grid(axis="y", visible=False)
            axes.set_xlabel("% of samples of running threads")
            for position, share in enumerate(shares):
                axes.text(share, position, f" {share:.1f}", va="center", fontsize=8, color=FAINT)
            if axes is not panels[0]:
                axes.set_title(title, fontsize=10, color=FAINT)
        draw_heading(figure, panels[0], "Where the CPU time goes", next(iter(profiles)))
        save(figure, path)
