"""The trained encoder as one file for workers, checked against what was trained."""

import copy
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deploy.encoder.autoencoder import PictureEncoder, as_floats
from learner_service.actor_export import silent_exporter
from learner_service.replace_file import replace_file
from worker_service.encoders.encoder import INPUT, METADATA_KEY, OUTPUT, EncoderMetadata

TOLERANCE: Final = 1e-4
"""Largest difference between torch's latents and onnxruntime's."""


def export_encoder(encoder: PictureEncoder, metadata: EncoderMetadata, frames: NDArray[np.uint8], file: Path) -> float:
    """Writes the encoder, which gives the mean of the posterior; returns the largest difference found.

    Args:
        encoder: trained.
        metadata: what pictures it takes.
        frames: uint8 [N, height, width, 3], on which torch and onnxruntime must agree.
        file: to write.

    Raises:
        RuntimeError: they do not, and nothing is written.
        OSError: the file cannot be written.
    """
    module = _Mean(encoder).eval()
    # Two rows: a dimension of one would be taken for a constant.
    example = torch.zeros(2, *frames.shape[1:], dtype=torch.uint8)
    with silent_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "of the exporter by dynamo"
    model = program.model_proto
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata.to_json()})
    data = model.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    told: NDArray[np.float32] = session.run([OUTPUT], {INPUT: frames})[0]
    with torch.no_grad():
        expected = module(torch.from_numpy(frames)).numpy()
    difference = float(np.abs(told - expected).max())
    if not difference <= TOLERANCE:
        raise RuntimeError(
            f"onnxruntime's latents differ from torch's by up to {difference:.1e}; at most {TOLERANCE:.0e} is allowed: "
            "report it, with the versions of both"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, data)
    return difference


class _Mean(nn.Module):
    """The posterior's mean alone."""

    def __init__(self, encoder: PictureEncoder) -> None:
        super().__init__()
        self._layers = copy.deepcopy(encoder.layers)
        self._mean = copy.deepcopy(encoder.mean)

    def forward(self, pictures: Tensor) -> Tensor:
        mean: Tensor = self._mean(self._layers(as_floats(pictures)))
        return mean
