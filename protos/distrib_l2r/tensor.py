"""NumPy arrays as `Tensor` messages, and back."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from distrib_l2r.invalid import refuse
from distrib_l2r.limits import MAX_NAME_LENGTH, MAX_TENSOR_DIMENSIONS
from distrib_l2r.v1 import tensor_pb2

Array: TypeAlias = npt.NDArray[Any]

DTYPES: Final[Mapping[int, np.dtype[Any]]] = {
    tensor_pb2.DATA_TYPE_BOOL: np.dtype("?"),
    tensor_pb2.DATA_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.DATA_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.DATA_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    tensor_pb2.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    tensor_pb2.DATA_TYPE_FLOAT64: np.dtype("<f8"),
}
"""Element types that travel, by their number on the wire."""

_DATA_TYPES: Final = {dtype: number for number, dtype in DTYPES.items()}


def data_type(dtype: npt.DTypeLike) -> tensor_pb2.DataType.ValueType:
    """The wire's number of an element type.

    Raises:
        TypeError: the type does not travel.
    """
    little_endian = np.dtype(dtype).newbyteorder("<")
    number = _DATA_TYPES.get(little_endian)
    if number is None:
        known = ", ".join(known.name for known in _DATA_TYPES)
        raise TypeError(f"dtype {np.dtype(dtype).name} does not travel; use one of {known}")
    return tensor_pb2.DataType.ValueType(number)


def encode_tensor(array: Array) -> tensor_pb2.Tensor:
    """One copy of `array`, of any shape and memory order, as bytes.

    Raises:
        TypeError: the element type does not travel.
    """
    message = tensor_pb2.Tensor()
    fill_tensor(message, array)
    return message


def fill_tensor(message: tensor_pb2.Tensor, array: Array) -> None:
    """As `encode_tensor`, into an empty message where it is: a message given to another is copied, data and all.

    Raises:
        TypeError: the element type does not travel.
    """
    number = _DATA_TYPES.get(array.dtype) or data_type(array.dtype)
    message.data_type = tensor_pb2.DataType.ValueType(number)
    message.shape.extend(array.shape)
    message.data = array.astype(DTYPES[number], copy=False).tobytes()


def decode_tensor(message: tensor_pb2.Tensor, path: str, *, finite: bool = True) -> Array:
    """The tensor as a read-only array over the message's bytes.

    Args:
        path: the field's path, for errors.
        finite: refuse NaN and infinities.

    Raises:
        InvalidMessageError: type, shape, length or a value breaks the contract. Nothing is allocated
            from the peer's shape; the bytes that came are the measure.
    """
    dtype = DTYPES.get(message.data_type)
    if dtype is None:
        refuse(f"{path}.data_type", message.data_type, "it must be a listed DataType")
    shape = tuple(message.shape)
    if len(shape) > MAX_TENSOR_DIMENSIONS:
        refuse(f"{path}.shape", shape, f"it may have at most {MAX_TENSOR_DIMENSIONS} dimensions")
    if min(shape, default=0) < 0:
        refuse(f"{path}.shape", shape, "every dimension must be at least 0")
    data = message.data
    # Python's integers do not overflow, so a huge shape cannot pass as a small product.
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        refuse(f"{path}.data", f"{len(data)} bytes", f"shape {shape} of {dtype.name} takes {expected} bytes")
    if expected == 0 and any(size > 2**31 for size in shape):
        refuse(f"{path}.shape", shape, "an empty tensor's dimensions must stay below 2**31")
    if dtype.kind == "b":
        raw = np.frombuffer(data, np.uint8)
        if raw.size and raw.max() > 1:
            refuse(f"{path}.data", f"a byte {raw.max()}", "a bool is a byte 0 or 1")
    array = np.frombuffer(data, dtype).reshape(shape)
    if finite and not all_finite(array):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        refuse(f"{path}[{', '.join(map(str, index))}]", array[index], "every number must be finite")
    return array


def all_finite(array: Array) -> bool:
    """Whether no element is NaN or infinite."""
    return array.dtype.kind != "f" or np.count_nonzero(np.isfinite(array)) == array.size


def encode_columns(columns: Mapping[str, Array]) -> list[tensor_pb2.NamedTensor]:
    """Named arrays in their mapping's order."""
    messages = [tensor_pb2.NamedTensor(name=name) for name in columns]
    for message, array in zip(messages, columns.values(), strict=True):
        fill_tensor(message.tensor, array)
    return messages


def decode_columns(messages: Iterable[tensor_pb2.NamedTensor], path: str) -> dict[str, Array]:
    """Named arrays in the order sent, each read-only and finite.

    Raises:
        InvalidMessageError: a name is empty, too long or twice there, or a tensor is invalid.
    """
    columns: dict[str, Array] = {}
    for message in messages:
        name = checked_name(message.name, f"{path}.name")
        if name in columns:
            refuse(f"{path}.name", repr(name), "names must be unique in their list")
        columns[name] = decode_tensor(message.tensor, f"{path}[{name!r}]")
    return columns


def checked_name(name: str, path: str) -> str:
    """`name` if it is neither empty nor too long.

    Raises:
        InvalidMessageError: it is.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        refuse(path, f"{len(name)} characters long", f"it must have 1 to {MAX_NAME_LENGTH} characters")
    return name
