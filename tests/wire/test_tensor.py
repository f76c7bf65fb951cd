"""Tensors survive the wire unchanged; nothing ill-formed gets through."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrib_l2r.invalid import InvalidMessageError
from distrib_l2r.tensor import DTYPES, Array, decode_columns, decode_tensor, encode_columns, encode_tensor
from distrib_l2r.v1 import tensor_pb2 as pb

ARRAYS = st.sampled_from(list(DTYPES.values())).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
        elements=hnp.from_dtype(dtype, allow_nan=False, allow_infinity=False),
    )
)


@given(ARRAYS)
def test_any_tensor_survives_the_wire_bit_for_bit(array: Array) -> None:
    decoded = decode_tensor(pb.Tensor.FromString(encode_tensor(array).SerializeToString()), "x")
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


@given(ARRAYS.filter(lambda array: array.ndim >= 2))
def test_memory_order_and_byte_order_do_not_matter(array: Array) -> None:
    for same in (np.asfortranarray(array), array[::-1][::-1], array.astype(array.dtype.newbyteorder(">"))):
        assert encode_tensor(same).SerializeToString() == encode_tensor(array).SerializeToString()


@given(st.binary(max_size=64), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=10), st.integers(0, 9))
def test_arbitrary_messages_are_decoded_or_refused_and_never_crash(data: bytes, shape: list[int], kind: int) -> None:
    message = pb.Tensor(shape=shape, data=data)
    message.data_type = kind  # type: ignore[assignment]
    try:
        array = decode_tensor(message, "x", finite=False)
    except InvalidMessageError:
        return
    assert array.nbytes == len(data)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (pb.Tensor(data=b"12"), r"x\.data_type is 0; it must be a listed DataType"),
        (
            pb.Tensor(data_type=pb.DATA_TYPE_FLOAT32, shape=[2], data=b"1234567"),
            r"x\.data is 7 bytes; .* takes 8 bytes",
        ),
        (pb.Tensor(data_type=pb.DATA_TYPE_FLOAT32, shape=[-1], data=b""), r"x\.shape is \(-1,\)"),
        # Products that overflow 64 bits to something small must not pass.
        (pb.Tensor(data_type=pb.DATA_TYPE_UINT8, shape=[2**32, 2**32], data=b""), r"x\.data is 0 bytes"),
        (pb.Tensor(data_type=pb.DATA_TYPE_UINT8, shape=[0, 2**62], data=b""), r"x\.shape"),
        (pb.Tensor(data_type=pb.DATA_TYPE_UINT8, shape=[1] * 9, data=b"1"), r"x\.shape is .* at most 8 dimensions"),
        (pb.Tensor(data_type=pb.DATA_TYPE_BOOL, shape=[2], data=b"\x00\x02"), r"x\.data is a byte 2"),
        (encode_tensor(np.array([[1.0, np.nan]], "f4")), r"x\[0, 1\] is nan; every number must be finite"),
        (encode_tensor(np.array(-np.inf, "f8")), r"x\[\] is -inf; every number must be finite"),
    ],
)
def test_ill_formed_tensors_are_refused_with_path_value_and_rule(message: pb.Tensor, sentence: str) -> None:
    with pytest.raises(InvalidMessageError, match=sentence):
        decode_tensor(message, "x")


def test_types_that_do_not_travel_are_named() -> None:
    with pytest.raises(TypeError, match="dtype complex128 does not travel; use one of bool, uint8"):
        encode_tensor(np.zeros(2, complex))


def test_columns_with_one_name_twice_are_refused() -> None:
    column = encode_columns({"speed": np.zeros(2, "f4")})
    with pytest.raises(InvalidMessageError, match=r"columns\.name is 'speed'; names must be unique"):
        decode_columns(column * 2, "columns")


def test_decoding_allocates_by_the_bytes_received_not_by_the_shape() -> None:
    message = pb.Tensor(data_type=pb.DATA_TYPE_FLOAT64, shape=[2**40], data=bytes(8))
    with pytest.raises(InvalidMessageError, match="takes 8796093022208 bytes"):
        decode_tensor(message, "x")
