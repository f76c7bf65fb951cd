"""The car's front camera: the flat ground seen in perspective."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel
from worker_service.simulators.racetrack.track import Track

FIELD_OF_VIEW_DEGREES = 90.0
HEIGHT_METRES = 2.0
# The camera looks down a little, so that the horizon lies at about 35 % of the picture's height.
PITCH_RADIANS = 0.3
# The ground is known to this distance from the centre line; the rest is grass.
MAPPED_METRES = 40.0
CELL_METRES = 4.0
FAR_METRES = 400.0
LINE_METRES = 0.3
KERB_METRES = 1.0
KERB_CURVATURE = 0.008
MIN_PIXELS, MAX_PIXELS = 16, 1024


class Camera:
    """Draws what a camera above the car's roof sees of a track.

    Args:
        track: the track.
        pixels: width of the picture.
        height_pixels: its height; the width if not given.
        field_of_view_degrees: from its left edge to its right.

    Raises:
        ValueError: the size is not within 16 to 1,024, or the field of view not within 10 to 150 degrees.
    """

    def __init__(
        self,
        track: Track,
        pixels: int,
        height_pixels: int | None = None,
        field_of_view_degrees: float = FIELD_OF_VIEW_DEGREES,
    ) -> None:
        height = pixels if height_pixels is None else height_pixels
        if not (MIN_PIXELS <= pixels <= MAX_PIXELS and MIN_PIXELS <= height <= MAX_PIXELS):
            size = f"{pixels} pixels wide" if height_pixels is None else f"{pixels} x {height} pixels large"
            raise ValueError(f"camera is {size}; it must be {MIN_PIXELS} to {MAX_PIXELS}, or False")
        if not 10.0 <= field_of_view_degrees <= 150.0:
            raise ValueError(f"camera sees {field_of_view_degrees:g} degrees; it must be 10 to 150")
        self.shape = (height, pixels, 3)
        self._road = np.column_stack(
            [
                track.centre_line,
                np.cos(track.heading),
                np.sin(track.heading),
                track.curvature,
                track.left_width,
                track.right_width,
            ]
        )
        self._spacing = track.spacing_metres
        low = track.centre_line.min(axis=0) - MAPPED_METRES
        high = track.centre_line.max(axis=0) + MAPPED_METRES
        cells = np.ceil((high - low) / CELL_METRES).astype(int) + 1
        self._origin = low
        self._nearest = np.full((cells[0], cells[1]), -1, np.int32)
        _map_nearest(track.centre_line, low, self._nearest)
        self._forward, self._left, self._sky = _ground_points(pixels, height, field_of_view_degrees)

    def picture(self, car: NDArray[Any]) -> NDArray[np.uint8]:
        """Draw the view of a car: uint8 [H, W, 3], RGB.

        Args:
            car: structured array [1] of `CAR`.
        """
        image = np.empty(self.shape, np.uint8)
        _draw(
            car,
            self._forward,
            self._left,
            self._sky,
            self._road,
            self._spacing,
            self._origin,
            self._nearest,
            image,
        )
        return image


def _ground_points(
    width: int, height: int, field_of_view_degrees: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """For every row its distance ahead, for every pixel its distance to the left [metres].

    Rows whose ground is farther than `FAR_METRES` show the sky; its colour is the third result,
    [rows, 3], and such rows have distance 0.
    """
    tangent = np.tan(np.radians(field_of_view_degrees) / 2.0)
    across = (2.0 * (np.arange(width) + 0.5) / width - 1.0) * tangent
    lower = (2.0 * (np.arange(height) + 0.5) / height - 1.0) * (tangent * (height / width))
    # A ray of the picture, turned by the pitch: x forward, z down.
    forward = np.cos(PITCH_RADIANS) - lower * np.sin(PITCH_RADIANS)
    down = np.sin(PITCH_RADIANS) + lower * np.cos(PITCH_RADIANS)
    scale = np.where(down > 0.0, HEIGHT_METRES / np.maximum(down, 1e-9), np.inf)
    ahead = scale * forward
    seen = ahead < FAR_METRES
    left = np.where(seen, scale, 0.0)[:, None] * -across[None]
    depth = np.linspace(0.0, 1.0, height)[:, None] / max(1.0 - seen.mean(), 1.0 / height)
    sky = np.array([110.0, 165.0, 225.0]) + np.minimum(depth, 1.0) * [80.0, 55.0, 20.0]
    return np.where(seen, ahead, 0.0), np.ascontiguousarray(left), sky.astype(np.uint8)


@kernel
def _map_nearest(line: NDArray[np.float64], origin: NDArray[np.float64], nearest: NDArray[np.int32]) -> None:
    """For every cell of the ground the index of the nearest station, -1 where none is near."""
    away = np.full(nearest.shape, MAPPED_METRES * MAPPED_METRES)
    reach = int(MAPPED_METRES / CELL_METRES) + 1
    for i in range(len(line)):
        column = int((line[i, 0] - origin[0]) / CELL_METRES)
        row = int((line[i, 1] - origin[1]) / CELL_METRES)
        for u in range(max(column - reach, 0), min(column + reach + 1, nearest.shape[0])):
            for v in range(max(row - reach, 0), min(row + reach + 1, nearest.shape[1])):
                x = origin[0] + (u + 0.5) * CELL_METRES - line[i, 0]
                y = origin[1] + (v + 0.5) * CELL_METRES - line[i, 1]
                squared = x * x + y * y
                if squared < away[u, v]:
                    away[u, v] = squared
                    nearest[u, v] = i


@kernel
def _draw(
    car: NDArray[Any],
    forward: NDArray[np.float64],
    left: NDArray[np.float64],
    sky: NDArray[np.uint8],
    road: NDArray[np.float64],
    spacing: float,
    origin: NDArray[np.float64],
    nearest: NDArray[np.int32],
    image: NDArray[np.uint8],
) -> None:
    c = car[0]
    cos_yaw = np.cos(c.yaw)
    sin_yaw = np.sin(c.yaw)
    for row in range(image.shape[0]):
        if forward[row] == 0.0:
            for column in range(image.shape[1]):
                image[row, column, 0] = sky[row, 0]
                image[row, column, 1] = sky[row, 1]
                image[row, column, 2] = sky[row, 2]
            continue
        for column in range(image.shape[1]):
            x = c.x + forward[row] * cos_yaw - left[row, column] * sin_yaw
            y = c.y + forward[row] * sin_yaw + left[row, column] * cos_yaw
            u = int(np.floor((x - origin[0]) / CELL_METRES))
            v = int(np.floor((y - origin[1]) / CELL_METRES))
            at = -1
            if 0 <= u < nearest.shape[0] and 0 <= v < nearest.shape[1]:
                at = nearest[u, v]
            red, green, blue = 62, 130, 52
            if at >= 0:
                away_x = x - road[at, 0]
                away_y = y - road[at, 1]
                cos_heading = road[at, 2]
                sin_heading = road[at, 3]
                curvature = road[at, 4]
                along = away_x * cos_heading + away_y * sin_heading
                across = away_y * cos_heading - away_x * sin_heading
                # The bend's arc through the station instead of its tangent, to second order.
                across -= 0.5 * curvature * along * along
                arc = at * spacing + along
                margin = min(road[at, 5] - across, road[at, 6] + across)
                if margin > LINE_METRES:
                    red, green, blue = 84, 84, 90
                    if abs(arc) < 1.0:  # the start line
                        red, green, blue = 235, 235, 235
                elif margin > 0.0:
                    red, green, blue = 235, 235, 235
                elif margin > -KERB_METRES and abs(curvature) > KERB_CURVATURE:
                    red, green, blue = 235, 235, 235
                    if int(np.floor(arc / 3.0)) % 2 == 0:
                        red, green, blue = 200, 40, 40
                elif int(np.floor(arc / 12.0)) % 2 == 0:
                    red, green, blue = 70, 142, 58
            image[row, column, 0] = red
            image[row, column, 1] = green
            image[row, column, 2] = blue
