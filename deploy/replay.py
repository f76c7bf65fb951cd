"""`python -m deploy.replay RECORDING`: a recorded episode as a picture of the line driven and as a moving picture."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image

from deploy.pictures.racing_line import draw_racing_line
from deploy.pictures.trace import Trace
from worker_service.recorded_episode import RecordedEpisode, read_recording
from worker_service.recording import RecordingError
from worker_service.simulators.l2r.course import DEFAULT_COURSE, course_name, find_course
from worker_service.simulators.racetrack.catalogue import find_track, track_names
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.racetrack.render import Canvas
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import CAR, Vehicle

MOST_FRAMES: Final = 240
SHORTEST_FRAME_MILLISECONDS: Final = 20
"""Many programs show shorter ones slowly."""
USUAL_STEPS_PER_SECOND: Final = 10.0
"""Where the recording does not say."""
FASTER: Final = 5.0
CAR_COLUMNS: Final = {
    "x": "x_metres",
    "y": "y_metres",
    "yaw": "yaw_radians",
    "vx": "forward_metres_per_second",
    "vy": "sideways_metres_per_second",
}
"""Fields of `CAR` that a drawing takes, by the recording's names."""

Frame = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """Which recording, and where its pictures go."""

    recording: tyro.conf.Positional[Path]
    """File that a worker's --record made."""
    out: Path | None = None
    """Folder for the pictures; that of the recording if not given."""
    faster: float = FASTER
    """The moving picture runs so many times as fast as the episode did."""


def replay(config: ReplayConfig) -> list[Path]:
    """Draws what the recording has; returns the files: a PNG where it has places on a known track, and a GIF.

    Raises:
        RecordingError: the file is no recording, or holds nothing that can be shown.
        ValueError: the recording's track is not installed here.
        OSError: a file cannot be read or written.
    """
    if not config.faster > 0.0:
        raise RecordingError(f"faster is {config.faster:g}; it must be above 0")
    episode = read_recording(config.recording)
    out = config.out or config.recording.parent
    out.mkdir(parents=True, exist_ok=True)
    track = recorded_track(episode) if set(CAR_COLUMNS.values()) <= episode.pose.keys() else None
    pictures = next((rows for rows in episode.observation.values() if _is_film(rows)), None)
    if track is None and pictures is None:
        raise RecordingError(
            f"{config.recording} holds neither pictures nor places on a known track: record an environment that does"
        )
    stride = max(1, -(-(episode.steps + 1) // MOST_FRAMES))
    made = []
    if track is not None:
        made.append(out / f"{config.recording.stem}.png")
        _draw_line(made[0], track, episode)
    frames = iter(pictures[::stride]) if pictures is not None else _seen_from_above(track, episode, stride)
    made.append(out / f"{config.recording.stem}.gif")
    seconds = stride / (episode.steps_per_second or USUAL_STEPS_PER_SECOND) / config.faster
    save_film(made[-1], frames, seconds)
    return made


def recorded_track(episode: RecordedEpisode) -> Track | None:
    """Where a recorded car drove; None where the recording does not say, or names several tracks.

    Raises:
        ValueError: the track is not installed here.
        OSError: its file cannot be read.
    """
    name = episode.environment.rpartition(":")[2]
    if name == "LearnToRace-v0":
        return find_course(course_name(str(episode.arguments.get("track", DEFAULT_COURSE)))).track
    if name != "Racetrack-v0":
        return None
    names = track_names(str(episode.arguments.get("track", DEFAULT_CIRCUIT)))
    return find_track(names[0]) if len(names) == 1 else None


def save_film(path: Path, frames: Iterator[Frame], frame_seconds: float) -> None:
    """Writes uint8 [H, W, 3] frames as a GIF that repeats.

    Raises:
        OSError: the file cannot be written.
    """
    images = [Image.fromarray(frame).quantize(128) for frame in frames]
    duration = max(SHORTEST_FRAME_MILLISECONDS, round(1000.0 * frame_seconds))
    new = path.with_name(f".{path.name}.new")
    images[0].save(new, format="GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    new.replace(path)


def _draw_line(path: Path, track: Track, episode: RecordedEpisode) -> None:
    pose = episode.pose
    speed = np.hypot(pose["forward_metres_per_second"], pose["sideways_metres_per_second"])
    points = np.stack([pose["x_metres"], pose["y_metres"]], axis=1)
    times = [float(lap["time_seconds"]) for lap in episode.laps]
    laps = f"best lap {min(times):.3f} s of {len(times)}" if times else "no complete lap"
    versions = sorted({int(version) for version in episode.policy_version})
    policy = f"policy version {'-'.join(map(str, dict.fromkeys((versions[0], versions[-1]))))}" if versions else ""
    draw_racing_line(
        path,
        track,
        Trace(points=points, speed_metres_per_second=speed, lap_seconds=min(times, default=None)),
        title=f"{track.name}, {laps}",
        subtitle=f"{episode.environment}  ·  {policy}  ·  {episode.steps:,} steps, {episode.ending}",
    )


def _seen_from_above(track: Track | None, episode: RecordedEpisode, stride: int) -> Iterator[Frame]:
    """The car on its track, every `stride` steps."""
    assert track is not None, "asked only where there are places"
    canvas = Canvas(track, Vehicle())
    cars = np.zeros(episode.steps + 1, CAR)
    for name, column in CAR_COLUMNS.items():
        cars[name] = episode.pose[column]
    rate = episode.steps_per_second or USUAL_STEPS_PER_SECOND
    for step in range(len(cars)):
        canvas.add(cars[step : step + 1])
        if step % stride == 0:
            speed = 3.6 * float(np.hypot(cars["vx"][step], cars["vy"][step]))
            yield canvas.draw(f"{track.name}   {step / rate:.1f} s   {speed:.0f} km/h")


def _is_film(rows: NDArray[np.generic]) -> bool:
    return rows.dtype == np.uint8 and rows.ndim == 4 and rows.shape[3] == 3


def main(arguments: list[str] | None = None) -> int:
    """Replays as the command line says; returns the exit status."""
    config = tyro.cli(ReplayConfig, prog="python -m deploy.replay", description=__doc__, args=arguments)
    try:
        for path in replay(config):
            print(path)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
