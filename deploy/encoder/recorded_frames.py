"""Frames of recorded episodes, cut and shrunk, split into those that train and those held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker_service.encoders.appended import Appended
from worker_service.encoders.picture import Framing
from worker_service.recorded_episode import read_recording
from worker_service.recording import RecordingError


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedFrames:
    """Frames, and what the columns beside them reach.

    Attributes:
        training: uint8 [N, height, width, 3].
        held_out: likewise, of other episodes.
        framing: that made them of the camera's pictures.
        largest: the largest magnitude of each column asked for.
    """

    training: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    framing: Framing
    largest: dict[str, float]


def read_frames(
    folder: Path,
    *,
    column: str,
    crop: tuple[int, int, int, int] | None,
    size: tuple[int, int],
    appended: Sequence[str],
    held_out_share: float,
    seed: int,
) -> RecordedFrames:
    """The frames of all recordings in a folder.

    Args:
        folder: of HDF5 files that a worker's --record or `deploy.encoder.frames` made.
        column: of the observation that holds pictures, uint8 [T + 1, H, W, 3].
        crop: left, top, right and bottom of what is kept, pixels; None keeps all.
        size: height and width that it becomes.
        appended: columns whose largest magnitudes are told, NAME or NAME:ELEMENT.
        held_out_share: of episodes; at least one is held out.
        seed: of the draw of these.

    Raises:
        RecordingError: there are fewer than two recordings, or one has not what is asked for.
        OSError: a file cannot be read.
    """
    files = sorted(folder.glob("*.h5"))
    if len(files) < 2:
        raise RecordingError(
            f"{folder} holds {len(files)} recordings; at least 2 are needed, one to hold out: record more episodes"
        )
    order = np.random.default_rng(seed).permutation(len(files))
    held_out = set(order[: max(1, round(held_out_share * len(files)))].tolist())
    parts: dict[bool, list[NDArray[np.uint8]]] = {False: [], True: []}
    largest = dict.fromkeys(appended, 0.0)
    framing: Framing | None = None
    for number, file in enumerate(files):
        observation = read_recording(file).observation
        pictures = observation.get(column)
        if pictures is None or pictures.ndim != 4 or pictures.dtype != np.uint8:
            raise RecordingError(
                f"{file} has no pictures {column!r}; its columns are {', '.join(sorted(observation))}: name one of "
                "uint8 pictures with --column"
            )
        left, top, right, bottom = crop or (0, 0, pictures.shape[2], pictures.shape[1])
        framing = Framing(left=left, top=top, right=right, bottom=bottom, height=size[0], width=size[1])
        framing.check(pictures.shape[1:])
        parts[number in held_out].append(np.stack([framing.apply(picture) for picture in pictures]))
        for name in appended:
            values = Appended.parse(name).of_recording(observation)
            if values is None:
                raise RecordingError(
                    f"{file} has no column {name!r} of numbers; its columns are {', '.join(sorted(observation))}: "
                    "name one of them with --append, or one element as NAME:ELEMENT"
                )
            largest[name] = max(largest[name], float(np.abs(values).max()))
    assert framing is not None, "there are files"
    return RecordedFrames(
        training=np.concatenate(parts[False]), held_out=np.concatenate(parts[True]), framing=framing, largest=largest
    )
