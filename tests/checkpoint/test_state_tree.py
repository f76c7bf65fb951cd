"""Every state comes back as it was, types included."""

import json
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from learner_service.checkpoint.checkpoint_files import read_files, write_files
from learner_service.checkpoint.state_copy import copy_state
from learner_service.checkpoint.state_tree import flatten_state, restore_state
from tests.checkpoint.states import assert_same

TORCH_TYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.int32,
    torch.uint32,
    torch.int64,
    torch.uint64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float8_e8m0fnu,
]

array_types = st.one_of(
    st_numpy.boolean_dtypes(),
    st_numpy.integer_dtypes(endianness="?"),
    st_numpy.unsigned_integer_dtypes(endianness="?"),
    st_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    st_numpy.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    st_numpy.datetime64_dtypes(),
    st_numpy.timedelta64_dtypes(),
    st_numpy.byte_string_dtypes(max_len=5),
    st_numpy.unicode_string_dtypes(max_len=5),
)
shapes = st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
arrays = array_types.flatmap(lambda dtype: st_numpy.arrays(dtype, shapes))
scalars = array_types.flatmap(lambda dtype: st_numpy.arrays(dtype, ())).map(lambda array: array[()])


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(TORCH_TYPES))
    shape = draw(shapes)
    size = int(np.prod(shape)) * dtype.itemsize
    # A bool is 0 or 1; of all other types every pattern of bits is a value.
    most = 1 if dtype is torch.bool else 255
    content = draw(st.lists(st.integers(0, most), min_size=size, max_size=size))
    tensor = torch.tensor(content, dtype=torch.uint8).view(dtype).reshape(shape)
    return tensor.mT if tensor.dim() >= 2 and draw(st.booleans()) else tensor


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**140), 2**140), st.floats(), st.text(), arrays, scalars
)
states = st.recursive(
    leaves | tensors(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text() | st.sampled_from(["__metadata__", "a/b", "0"]), inner, max_size=4),
        st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(states)
def test_a_state_comes_back_as_it_was(state: Any) -> None:
    tree, tensors = flatten_state(state)
    restored = restore_state(json.loads(json.dumps(tree, allow_nan=False)), lambda name: tensors[name].clone())
    assert_same(restored, state)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(states)
def test_a_state_comes_back_from_disk_as_it_was(tmp_path: Path, state: Any) -> None:
    write_files(tmp_path, *flatten_state(state), {})
    restored, _ = read_files(tmp_path)
    assert_same(restored, state)


@given(states)
def test_a_copied_state_is_the_same(state: Any) -> None:
    assert_same(copy_state(state), state)


def test_a_copy_shares_no_memory() -> None:
    state: dict[str, Any] = {"tensor": torch.zeros(2), "list": [np.zeros(2)], "tuple": (torch.zeros(()),)}
    copied = copy_state(state)
    state["tensor"].fill_(1)
    state["list"][0].fill(1)
    state["tuple"][0].fill_(1)
    assert_same(copied, {"tensor": torch.zeros(2), "list": [np.zeros(2)], "tuple": (torch.zeros(()),)})


def test_random_states_come_back_as_they_were() -> None:
    numpy_state = dict(np.random.Generator(np.random.PCG64(3)).bit_generator.state)
    assert numpy_state["state"]["state"] > 2**64
    state = {"numpy": numpy_state, "torch": torch.Generator().manual_seed(3).get_state()}
    tree, tensors = flatten_state(state)
    assert_same(restore_state(json.loads(json.dumps(tree)), tensors.__getitem__), state)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_an_empty_tensor_of_odd_strides_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    state = [torch.empty_strided((0,), (0,), dtype=dtype), torch.empty_strided((0, 3), (1, 7), dtype=dtype)]
    write_files(tmp_path, *flatten_state(state), {})
    assert_same(read_files(tmp_path)[0], state)


def test_tensors_that_share_memory_come_back_apart(tmp_path: Path) -> None:
    vector = torch.arange(6.0)
    state = {"all": vector, "again": vector, "left": vector[:4], "right": vector[2:], "weight": vector.view(2, 3)}
    write_files(tmp_path, *flatten_state(state), {})
    restored, _ = read_files(tmp_path)
    assert_same(restored, state)
    restored["all"].fill_(9)
    assert_same(restored["left"], vector[:4])


def test_tensors_of_equal_paths_stay_apart() -> None:
    state = {"a": {"b": torch.tensor(1)}, "a/b": torch.tensor(2), "a/b_": torch.tensor(3)}
    tree, tensors = flatten_state(state)
    assert_same(restore_state(tree, tensors.__getitem__), state)


def test_a_module_s_state_and_its_parameters_come_back_as_plain_tensors() -> None:
    module = torch.nn.Linear(2, 3)
    tree, tensors = flatten_state([module.state_dict(), dict(module.named_parameters())])
    expected = {name: weight.detach() for name, weight in module.named_parameters()}
    assert_same(restore_state(tree, tensors.__getitem__), [expected, expected])
    assert isinstance(module.state_dict(), OrderedDict)


def test_names_tell_where_a_tensor_belongs() -> None:
    tree, tensors = flatten_state({"actor": [torch.zeros(1)], 3: (np.zeros(2),)})
    assert set(tensors) == {"actor/0", "3/0"}
    assert tree == {"items": [["actor", [{"torch": "actor/0"}]], [3, {"tuple": [{"array": "3/0"}]}]]}


class Text(str):
    __slots__ = ()


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("stranger", "named"),
    [
        ({1, 2}, "set"),
        (b"bytes", "bytes"),
        (object(), "object"),
        (Text("text"), "Text"),
        (Pair(1, 2), "Pair"),
        (defaultdict(list), "defaultdict"),
        (1j, "complex"),
        ({True: 1}, "dict with the key True of type bool"),
        ({(1, 2): 1}, r"dict with the key \(1, 2\) of type tuple"),
        (np.array([None]), "numpy array of dtype object"),
        (np.zeros(2, [("a", "f4")]), "numpy array of dtype"),
        (torch.zeros(2).to_sparse(), r"torch tensor of layout torch\.sparse_coo"),
        (torch.zeros(2, device="meta"), "torch tensor of layout .* on meta"),
        ("\ud800", "str with half a surrogate pair"),
    ],
)
def test_what_has_no_place_in_a_checkpoint_is_named_with_its_path(stranger: object, named: str) -> None:
    with pytest.raises(TypeError, match=rf"^policy/parts/1 is a {named}.*; a checkpoint holds .*: convert it"):
        flatten_state({"policy": {"parts": [0, stranger]}})


@pytest.mark.parametrize("node", [{}, {"set": []}, {"torch": 3}, {"dict": []}])
def test_a_tree_of_another_kind_is_refused(node: object) -> None:
    with pytest.raises(ValueError, match="no such node is known"):
        restore_state([node], lambda name: torch.zeros(1))
