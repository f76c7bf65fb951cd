"""An encoder whose latent is known: the mean of each colour over the picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from worker_service.encoders.encoder import INPUT, METADATA_KEY, OUTPUT

LATENT = 3
FRAMING = {"left": 0, "top": 0, "right": 64, "bottom": 48, "height": 24, "width": 32}


def mean_colours(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the encoder makes of a camera's picture, uint8 [H, W, 3]; blocks of 2 x 2 have the mean of their pixels."""
    part = picture[FRAMING["top"] : FRAMING["bottom"], FRAMING["left"] : FRAMING["right"]]
    return np.asarray(part.mean(axis=(0, 1)))


def metadata(**changes: Any) -> dict[str, Any]:
    """Of the encoder, changed."""
    about = {"version": 1, "column": "camera", "framing": FRAMING, "latent": LATENT, "appended": {"observation:0": 0.5}}
    return {**about, **changes}


def write_tiny_encoder(file: Path, about: dict[str, Any] | str | None) -> Path:
    """Writes it; a text goes into the metadata as it is, None leaves the metadata out."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [INPUT], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], [OUTPUT], axes=[1, 2], keepdims=0),
        ],
        "tiny",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", FRAMING["height"], FRAMING["width"], 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", LATENT])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    if about is not None:
        text = about if isinstance(about, str) else json.dumps(about)
        helper.set_model_props(model, {METADATA_KEY: text})
    file.write_bytes(model.SerializeToString())
    return file
