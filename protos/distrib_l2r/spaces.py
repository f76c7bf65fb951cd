"""What a policy sees and does: named boxes, and their messages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from distrib_l2r.invalid import refuse
from distrib_l2r.limits import MAX_TENSOR_DIMENSIONS
from distrib_l2r.tensor import Array, checked_name, data_type, decode_tensor, encode_tensor
from distrib_l2r.v1 import spaces_pb2


@dataclass(frozen=True, eq=False, kw_only=True)
class Box:
    """Numbers of one shape and type, with bounds for each element.

    Attributes:
        low: lower bounds, of the box's shape and dtype; -inf where unbounded.
        high: upper bounds, likewise.
    """

    low: Array
    high: Array

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or self.low.dtype != self.high.dtype:
            raise ValueError(
                f"low is {_kind(self.low)}, high is {_kind(self.high)}; both bounds need one shape and dtype"
            )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of one element of the space."""
        return self.low.shape

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of one element of the space."""
        return self.low.dtype

    @cached_property
    def data_type(self) -> int:
        """The wire's number of the dtype."""
        return data_type(self.low.dtype)

    @cached_property
    def element_bytes(self) -> int:
        """Bytes of one element of the space."""
        return self.low.nbytes

    def contains_all(self, elements: Array) -> bool:
        """Whether every number of `elements` [N, ...] lies within the bounds; NaN lies in none."""
        low, high = self._bounds
        return bool(
            np.count_nonzero(elements >= low) == elements.size and np.count_nonzero(elements <= high) == elements.size
        )

    @cached_property
    def _bounds(self) -> tuple[Array | np.generic, Array | np.generic]:
        """Scalars where all bounds are equal, since NumPy compares with those several times faster."""
        uniform = self.low.size > 0 and (self.low == self.low.flat[0]).all() and (self.high == self.high.flat[0]).all()
        return (self.low.flat[0], self.high.flat[0]) if uniform else (self.low, self.high)

    def __str__(self) -> str:
        return _kind(self.low)


@dataclass(frozen=True, eq=False, kw_only=True)
class Spaces:
    """The spaces of a run.

    Attributes:
        observation: at least one box by column name.
        action: a floating-point box with finite bounds.
        privileged: boxes that only the critic sees, by column name.
    """

    observation: Mapping[str, Box]
    action: Box
    privileged: Mapping[str, Box] = field(default_factory=dict)

    def mismatch(self, other: "Spaces") -> str | None:
        """The first difference that matters to a policy, as one sentence about `other`, or None."""
        for kind, ours, theirs in (
            ("observation", self.observation, other.observation),
            ("privileged", self.privileged, other.privileged),
        ):
            if set(ours) != set(theirs):
                return f"{kind} has columns {sorted(theirs)}; the run's are {sorted(ours)}"
            for name, box in ours.items():
                if (box.shape, box.dtype) != (theirs[name].shape, theirs[name].dtype):
                    return f"{kind} {name!r} is {theirs[name]}; the run's is {box}"
        if (self.action.shape, self.action.dtype) != (other.action.shape, other.action.dtype):
            return f"action is {other.action}; the run's is {self.action}"
        for bound in ("low", "high"):
            ours_bound, theirs_bound = getattr(self.action, bound), getattr(other.action, bound)
            if not np.array_equal(ours_bound, theirs_bound):
                return f"action.{bound} is {theirs_bound.tolist()}; the run's is {ours_bound.tolist()}"
        return None


def encode_spaces(spaces: Spaces) -> spaces_pb2.Spaces:
    """The message of `spaces`."""
    return spaces_pb2.Spaces(
        observation=_encode_boxes(spaces.observation),
        action=_encode_box(spaces.action),
        privileged=_encode_boxes(spaces.privileged),
    )


def decode_spaces(message: spaces_pb2.Spaces, path: str = "spaces") -> Spaces:
    """The spaces of a message.

    Raises:
        InvalidMessageError: a box is missing, ill-formed, or the action is not a bounded floating-point box.
    """
    observation = _decode_boxes(message.observation, f"{path}.observation")
    if not observation:
        refuse(f"{path}.observation", "empty", "there must be at least one observation column")
    action = _decode_box(message.action, f"{path}.action")
    if action.dtype.kind != "f":
        refuse(f"{path}.action.data_type", action.dtype.name, "actions are floating-point boxes")
    if not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
        refuse(f"{path}.action", "unbounded", "action bounds must be finite: wrap the environment to bound them")
    if not (action.low < action.high).all():
        refuse(f"{path}.action", "empty", "every lower action bound must be below the upper")
    return Spaces(
        observation=observation,
        action=action,
        privileged=_decode_boxes(message.privileged, f"{path}.privileged"),
    )


def _kind(array: Array) -> str:
    return f"{array.dtype.name} {array.shape}"


def _encode_boxes(boxes: Mapping[str, Box]) -> list[spaces_pb2.NamedBox]:
    return [spaces_pb2.NamedBox(name=name, box=_encode_box(box)) for name, box in boxes.items()]


def _encode_box(box: Box) -> spaces_pb2.Box:
    return spaces_pb2.Box(
        data_type=data_type(box.dtype),
        shape=box.shape,
        low=encode_tensor(_compact(box.low)),
        high=encode_tensor(_compact(box.high)),
    )


def _compact(bound: Array) -> Array:
    """A scalar where all bounds are equal: an image's bounds need not be an image."""
    first = bound.reshape(-1)[0]
    return np.asarray(first) if (bound == first).all() else bound


def _decode_boxes(messages: Iterable[spaces_pb2.NamedBox], path: str) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    for message in messages:
        name = checked_name(message.name, f"{path}.name")
        if name in boxes:
            refuse(f"{path}.name", repr(name), "names must be unique in their list")
        boxes[name] = _decode_box(message.box, f"{path}[{name!r}]")
    return boxes


def _decode_box(message: spaces_pb2.Box, path: str) -> Box:
    shape = tuple(message.shape)
    if len(shape) >= MAX_TENSOR_DIMENSIONS or any(size < 1 for size in shape):
        # One dimension less than a tensor: a chunk adds the dimension of time.
        rule = f"it may have at most {MAX_TENSOR_DIMENSIONS - 1} dimensions, each at least 1"
        refuse(f"{path}.shape", shape, rule)
    bounds = []
    for name, bound in (("low", message.low), ("high", message.high)):
        array = decode_tensor(bound, f"{path}.{name}", finite=False)
        if data_type(array.dtype) != message.data_type:
            refuse(f"{path}.{name}.data_type", array.dtype.name, "it must be the box's own data_type")
        if array.shape not in ((), shape):
            refuse(f"{path}.{name}.shape", array.shape, f"it must be the box's shape {shape}, or empty")
        if array.dtype.kind == "f" and np.isnan(array).any():
            refuse(f"{path}.{name}", "NaN", "a bound is a number or an infinity")
        # A view: a scalar bound of a huge shape takes no memory.
        bounds.append(np.broadcast_to(array, shape))
    return Box(low=bounds[0], high=bounds[1])
