"""Pictures from above: the whole track, the car, and where it has been, coloured by speed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 800, 600
# Drawn larger and reduced, which smooths the edges.
OVERSAMPLING = 2
MARGIN_PIXELS = 40
TITLE_PIXELS = 30
TRACE_POINTS = 5000
# On a whole track a true-to-scale car would be a few pixels.
CAR_PIXELS = 18.0
FASTEST_METRES_PER_SECOND = 70.0
KERB_CURVATURE = 0.008

GRASS: Colour = (96, 140, 84)
ASPHALT: Colour = (72, 74, 80)
EDGE: Colour = (236, 236, 230)
KERB: Colour = (196, 58, 50)
CAR: Colour = (250, 250, 250)
INK: Colour = (20, 24, 20)
# From slow to fast; even steps in lightness, also for the colour-blind (after plasma).
SPEED_COLOURS = np.array([[60, 40, 190], [140, 30, 175], [205, 65, 120], [240, 125, 65], [250, 230, 50]], np.float64)


class Canvas:
    """Draws one track, and the episode's trace on it.

    Args:
        track: the track.
        vehicle: the car, for its shape.
    """

    def __init__(self, track: Track, vehicle: Vehicle) -> None:
        points = np.vstack([track.left_edge, track.right_edge])
        low, high = points.min(axis=0), points.max(axis=0)
        room = np.array([WIDTH - 2 * MARGIN_PIXELS, HEIGHT - TITLE_PIXELS - 2 * MARGIN_PIXELS])
        self._scale = float((room / (high - low)).min()) * OVERSAMPLING
        middle = np.array([WIDTH, HEIGHT + TITLE_PIXELS]) / 2.0 * OVERSAMPLING
        # Pictures count rows downwards.
        self._flip = np.array([1.0, -1.0])
        self._shift = middle - 0.5 * (low + high) * self._scale * self._flip
        self._shape = vehicle.width_metres / vehicle.length_metres
        self._ground = self._draw_ground(track)
        self._title_font = ImageFont.load_default(15 * OVERSAMPLING)
        self._small_font = ImageFont.load_default(11 * OVERSAMPLING)
        self._trace: list[tuple[float, float, float]] = []
        self._pose = (0.0, 0.0, 0.0)

    def clear(self) -> None:
        """Forget the trace."""
        self._trace.clear()

    def add(self, car: NDArray[Any]) -> None:
        """Remember where a car is: structured array [1] of `vehicle.CAR`."""
        x, y, yaw, vx, vy, *_ = car[0].item()
        self._pose = (x, y, yaw)
        self._trace.append((x, y, float(np.hypot(vx, vy))))
        if len(self._trace) > TRACE_POINTS:
            del self._trace[0]

    def draw(self, title: str) -> NDArray[np.uint8]:
        """The picture: uint8 [600, 800, 3], RGB.

        Args:
            title: one line, above the track.
        """
        image = self._ground.copy()
        brush = ImageDraw.Draw(image)
        if len(self._trace) > 1:
            trace = np.array(self._trace)
            pixels = self._pixels(trace[:, :2])
            colours = speed_colours(trace[:, 2])
            for start, end, colour in zip(pixels, pixels[1:], colours[1:], strict=False):
                line = [tuple(start.tolist()), tuple(end.tolist())]
                brush.line(line, fill=tuple(colour.tolist()), width=3 * OVERSAMPLING)
        self._draw_car(brush)
        self._draw_legend(brush)
        position = (12 * OVERSAMPLING, 8 * OVERSAMPLING)
        brush.text(position, title, fill=INK, font=self._title_font)
        return np.array(image.resize((WIDTH, HEIGHT), Image.Resampling.BOX))

    def _pixels(self, points: Floats) -> Floats:
        return np.asarray(points * self._scale * self._flip + self._shift)

    def _draw_ground(self, track: Track) -> Image.Image:
        image = Image.new("RGB", (WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING), GRASS)
        brush = ImageDraw.Draw(image)
        left, right = self._pixels(track.left_edge), self._pixels(track.right_edge)
        following = (np.arange(len(left)) + 1) % len(left)
        for i, j in enumerate(following):
            brush.polygon([*map(_point, (left[i], left[j], right[j], right[i]))], fill=ASPHALT)
        bend = np.abs(track.curvature) > KERB_CURVATURE
        for edge in (left, right):
            for i, j in enumerate(following):
                colour = KERB if bend[i] and (i // 6) % 2 else EDGE
                brush.line([_point(edge[i]), _point(edge[j])], fill=colour, width=OVERSAMPLING + 1)
        brush.line([_point(left[0]), _point(right[0])], fill=EDGE, width=3 * OVERSAMPLING)
        return image

    def _draw_car(self, brush: ImageDraw.ImageDraw) -> None:
        x, y, yaw = self._pose
        long = CAR_PIXELS / 2.0 * OVERSAMPLING
        wide = long * self._shape
        outline = np.array([[1.0, 0.0], [0.55, 0.7], [-1.0, 1.0], [-1.0, -1.0], [0.55, -0.7]]) * [long, wide]
        turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
        corners = outline @ turn * self._flip + self._pixels(np.array([x, y]))
        brush.polygon([*map(_point, corners)], fill=CAR, outline=INK, width=OVERSAMPLING)

    def _draw_legend(self, brush: ImageDraw.ImageDraw) -> None:
        length, height = 160 * OVERSAMPLING, 8 * OVERSAMPLING
        x = (WIDTH - 16) * OVERSAMPLING - length
        y = 10 * OVERSAMPLING
        speeds = np.linspace(0.0, FASTEST_METRES_PER_SECOND, length)
        for column, colour in enumerate(speed_colours(speeds).tolist()):
            brush.line([(x + column, y), (x + column, y + height)], fill=tuple(colour))
        for share in (0.0, 0.5, 1.0):
            label = f"{share * FASTEST_METRES_PER_SECOND * 3.6:.0f}" + (" km/h" if share else "")
            place = (x + share * length, y + height + 2 * OVERSAMPLING)
            anchor = ("la", "ma", "ra")[round(2 * share)]
            brush.text(place, label, fill=INK, font=self._small_font, anchor=anchor)


def speed_colours(speeds: Floats) -> NDArray[np.uint8]:
    """Colours of speeds [N] in metres per second: uint8 [N, 3]."""
    at = np.clip(speeds / FASTEST_METRES_PER_SECOND, 0.0, 1.0) * (len(SPEED_COLOURS) - 1)
    knots = np.arange(len(SPEED_COLOURS))
    channels = [np.interp(at, knots, channel) for channel in SPEED_COLOURS.T]
    return np.stack(channels, axis=1).astype(np.uint8)


def _point(place: Floats) -> tuple[float, float]:
    return float(place[0]), float(place[1])
