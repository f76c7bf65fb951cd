"""Image encoders in the worker: pictures cut, shrunk and encoded by a frozen network; a few floats travel.

`make encoder` makes the file. It is named as an argument of any environment with a picture, and so comes from the
learner, travels with saved policies, and needs no flag of the worker:

    python -m learner_service --env CarRacingCamera-v0 --env-args encoder=/encoders/car.onnx
    python -m learner_service --env Racetrack-v0 --env-args camera=64 encoder=runs/racetrack.onnx encoder_frames=2

The path is the worker's own: relative to where it was started, and in containers that of a mounted volume or a file in
the image. In Python, any wrapper does the same: `EncodedImage(environment, Encoder(Path(...)))`.
"""

from worker_service.encoders.encoded_image import EncodedImage
from worker_service.encoders.encoder import Encoder, EncoderError
from worker_service.encoders.framed_image import FramedImage
from worker_service.encoders.picture import Framing

__all__ = ["EncodedImage", "Encoder", "EncoderError", "FramedImage", "Framing"]
