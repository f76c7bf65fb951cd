"""The look that all pictures share."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DPI: Final = 160
"""Dots an inch of every PNG."""

INK: Final = "#222222"
FAINT: Final = "#666666"
ACCENT: Final = "#1f5fa8"
SECOND: Final = "#c2571a"

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
"""Settings of matplotlib."""


def draw_heading(figure: Figure, axes: Axes, title: str, subtitle: str) -> None:
    """Writes a title above `figure` and a fainter line above `axes`, its topmost."""
    heading = figure.suptitle(title, fontsize=14, fontweight="bold", color=INK)
    axes.set_title(subtitle, fontsize=10, color=FAINT, pad=10)
    # Where the axes are is known only once the figure is laid out; both lines stand above their middle.
    figure.draw_without_rendering()
    heading.set_x(0.5 * (axes.get_position().x0 + axes.get_position().x1))


def save(figure: Figure, path: Path) -> None:
    """Writes `figure` as a PNG file, cut to what is drawn.

    Raises:
        OSError: the file cannot be written.
    """
    figure.savefig(path, dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.18, format="png")
