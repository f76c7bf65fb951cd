"""A frozen image encoder in one file: an ONNX graph, and in its metadata what pictures it takes.

The graph's input is `picture`, uint8 [N, height, width, 3], RGB; its output is `latent`, float32 [N, size]. The
metadata entry `distributed-l2r encoder` is JSON:

    {"version": 1, "column": "camera", "framing": {"left": 0, "top": 0, "right": 96, "bottom": 84,
     "height": 64, "width": 64}, "latent": 32, "appended": {"speed": 0.01}}

`framing` is what of the camera's picture is kept and how large it becomes; `appended` are the observation's other
columns that follow the latent, each with the factor that brings it to about one.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from worker_service.encoders.appended import Appended
from worker_service.encoders.picture import Framing, Picture

METADATA_KEY: Final = "distributed-l2r encoder"
VERSION: Final = 1
INPUT: Final = "picture"
OUTPUT: Final = "latent"


class EncoderError(ValueError):
    """An encoder cannot be used; the message says which file, why, and what would do."""


@dataclass(frozen=True, kw_only=True)
class EncoderMetadata:
    """What pictures an encoder takes, and what it makes of them."""

    column: str
    """Of the observation; holds the picture, uint8 [H, W, 3]."""
    framing: Framing
    latent: int
    """Numbers that a picture becomes."""
    appended: tuple[Appended, ...] = ()
    """Columns that follow them."""

    def to_json(self) -> str:
        """For the file."""
        return json.dumps(
            {
                "version": VERSION,
                "column": self.column,
                "framing": asdict(self.framing),
                "latent": self.latent,
                "appended": {str(entry): entry.factor for entry in self.appended},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "EncoderMetadata":
        """Back from it.

        Raises:
            ValueError: it is not such metadata; KeyError, TypeError and AttributeError likewise.
        """
        about = json.loads(text)
        if about["version"] != VERSION:
            raise ValueError(f"its version is {about['version']!r}; {VERSION} is known here")
        return cls(
            column=str(about["column"]),
            framing=Framing(**about["framing"]),
            latent=int(about["latent"]),
            appended=tuple(Appended.parse(name, float(factor)) for name, factor in about["appended"].items()),
        )


class Encoder:
    """Encodes pictures one at a time, on one thread.

    Args:
        file: as the module describes.

    Raises:
        EncoderError: there is no such file, or it is no encoder.

    Attributes:
        metadata: of the file.
    """

    def __init__(self, file: Path) -> None:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise EncoderError(
                f"the encoder {file} cannot be read ({error.strerror}); it must be a file that this worker sees: "
                "make one with make encoder, and mount it at the same path for every worker"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's errors have no base in common.
            raise EncoderError(f"{file} is no ONNX graph that runs here ({_first_line(error)}): {_REMEDY}") from error
        self.metadata = _metadata(file, self._session)
        self._input = np.zeros((1, self.metadata.framing.height, self.metadata.framing.width, 3), np.uint8)
        try:
            latent = self._session.run([OUTPUT], {INPUT: self._input})[0]
        except Exception as error:
            raise EncoderError(
                f"{file} does not encode what its metadata says, {self._input.shape[1:]} ({_first_line(error)}): "
                f"{_REMEDY}"
            ) from error
        if latent.shape != (1, self.metadata.latent) or latent.dtype != np.float32:
            raise EncoderError(
                f"{file} makes {latent.dtype} {latent.shape} of a picture; its metadata says float32 "
                f"(1, {self.metadata.latent}): {_REMEDY}"
            )

    def encode(self, picture: Picture) -> NDArray[np.float32]:
        """float32 [latent] of the camera's picture, uint8 [H, W, 3], before anything is cut off."""
        self._input[0] = self.metadata.framing.apply(picture)
        latent: NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: self._input})[0][0]
        return latent


_REMEDY: Final = "make one with make encoder"


def _metadata(file: Path, session: Any) -> EncoderMetadata:
    entries: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in entries:
        raise EncoderError(f"{file} has no metadata {METADATA_KEY!r}, as an encoder must: {_REMEDY}")
    try:
        return EncoderMetadata.from_json(entries[METADATA_KEY])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"the metadata {METADATA_KEY!r} of {file} is damaged ({type(error).__name__}: {error}): {_REMEDY}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
