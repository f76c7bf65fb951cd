"""A nested state as a JSON document and named tensors, and back.

In the document null, true and false, strings, integers below 2^53 in magnitude, finite floats and lists stand for
themselves. Everything else is an object whose first key says what it is:

    {"dict": {key: value}}                a dict whose keys are strings
    {"items": [[key, value], ...]}        a dict with integer keys
    {"tuple": [value, ...]}
    {"int": "0x..."}                      a larger integer
    {"float": "nan"}                      or "inf", "-inf"
    {"torch": name}                       a torch tensor, of that name in the file
    {"array": name}, {"scalar": name}     a numpy array, a numpy scalar

The last three have "dtype" and "shape" besides where the file cannot say them; it holds the raw bytes then.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

_HOLDS: Final = (
    "dicts with str or int keys, lists, tuples, None, bool, int, float, str, numpy arrays and scalars of numbers "
    "or strings, and dense torch tensors"
)

_EXACT_INTEGER: Final = 2**53
"""From here on readers of JSON that know only doubles lose digits."""

_NATIVE: Final = {
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
}
"""Types of elements that the file has itself and that come back from it as they were."""

_NATIVE_ARRAYS: Final = {
    np.dtype(name) for name in ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8")
}


def flatten_state(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """A state as a JSON document and the tensors that it names, which lie on the CPU.

    A tensor with a gradient comes back without it, an OrderedDict as a dict; all other types come back as they are.
    Tensors are copied only where they do not lie on the CPU, in one piece and in memory of their own.

    Raises:
        TypeError: something in the state has no place in a checkpoint.
    """
    flattening = _Flattening()
    return flattening.node(state, ()), flattening.tensors


def restore_state(tree: Any, tensor: Callable[[str], Tensor]) -> Any:
    """The state of a document.

    Args:
        tree: the document.
        tensor: the tensor of a name; the state keeps it.

    Raises:
        ValueError: the document is none that `flatten_state` makes.
        KeyError: there is no tensor of a name, if `tensor` says so.
    """
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if isinstance(tree, list):
        return [restore_state(node, tensor) for node in tree]
    match tree:
        case {"dict": dict(values)}:
            return {key: restore_state(node, tensor) for key, node in values.items()}
        case {"items": list(items)}:
            return {restore_state(key, tensor): restore_state(node, tensor) for key, node in items}
        case {"tuple": list(nodes)}:
            return tuple(restore_state(node, tensor) for node in nodes)
        case {"int": str(digits)}:
            return int(digits, 16)
        case {"float": str(text)}:
            return float(text)
        case {"torch": str(name)}:
            return _restore_tensor(tensor(name), tree)
        case {"array": str(name)}:
            return _restore_array(tensor(name), tree)
        case {"scalar": str(name)}:
            return _restore_array(tensor(name), tree)[()]
    raise ValueError(f"a node of the state is {str(tree)[:80]}; no such node is known")


class _Flattening:
    """One pass over a state."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._storages: set[int] = set()

    def node(self, state: Any, path: tuple[str, ...]) -> Any:
        kind = type(state)
        if state is None or kind is bool:
            return state
        if kind is int:
            return state if abs(state) < _EXACT_INTEGER else {"int": hex(state)}
        if kind is float:
            return state if math.isfinite(state) else {"float": str(state)}
        if kind is str:
            return _text(state, path)
        if kind is list:
            return [self.node(value, (*path, str(index))) for index, value in enumerate(state)]
        if kind is tuple:
            return {"tuple": [self.node(value, (*path, str(index))) for index, value in enumerate(state)]}
        if kind is dict or kind is OrderedDict:
            return self._dict(state, path)
        if isinstance(state, Tensor):
            return self._tensor(state, path)
        if kind is np.ndarray:
            return self._array("array", state, path)
        if isinstance(state, np.generic):
            return self._array("scalar", np.asarray(state), path)
        raise _unknown(path, kind.__name__)

    def _dict(self, state: Mapping[Any, Any], path: tuple[str, ...]) -> Any:
        for key in state:
            if type(key) not in (str, int):
                raise _unknown(path, f"dict with the key {key!r} of type {type(key).__name__}")
        nodes = [(key, self.node(value, (*path, str(key)))) for key, value in state.items()]
        if all(type(key) is str for key, _ in nodes):
            return {"dict": {_text(key, path): node for key, node in nodes}}
        return {"items": [[self.node(key, path), node] for key, node in nodes]}

    def _tensor(self, tensor: Tensor, path: tuple[str, ...]) -> Any:
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise _unknown(path, f"torch tensor of layout {tensor.layout}, dtype {tensor.dtype}, on {tensor.device}")
        dense = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        if dense.dtype in _NATIVE:
            return {"torch": self._add(path, dense)}
        # An empty one may have strides that no view allows.
        content = dense.reshape(-1).view(torch.uint8) if dense.numel() else torch.empty(0, dtype=torch.uint8)
        dtype = str(dense.dtype).removeprefix("torch.")
        return {"torch": self._add(path, content), "dtype": dtype, "shape": list(dense.shape)}

    def _array(self, kind: str, array: np.ndarray[Any, Any], path: tuple[str, ...]) -> Any:
        if array.dtype.hasobject or array.dtype.kind not in "?biufcmMSU":
            raise _unknown(path, f"numpy array of dtype {array.dtype}")
        dense = np.ascontiguousarray(array).reshape(array.shape)
        if dense.dtype in _NATIVE_ARRAYS:
            # torch warns of arrays that may not be written to; nobody writes to this one.
            dense = dense if dense.flags.writeable else dense.copy()
            return {kind: self._add(path, torch.from_numpy(dense))}
        content = torch.frombuffer(bytearray(dense.tobytes()), dtype=torch.uint8) if dense.nbytes else torch.empty(0)
        return {kind: self._add(path, content), "dtype": dense.dtype.str, "shape": list(dense.shape)}

    def _add(self, path: tuple[str, ...], tensor: Tensor) -> str:
        # The file refuses tensors that overlap in memory.
        storage = tensor.untyped_storage().data_ptr()
        if storage in self._storages:
            tensor = tensor.clone()
            storage = tensor.untyped_storage().data_ptr()
        if tensor.numel():
            self._storages.add(storage)
        name = "/".join(path) or "state"
        # Keys may contain slashes, and one name is the format's own.
        while name in self.tensors or name == "__metadata__":
            name += "_"
        self.tensors[name] = tensor
        return name


def _restore_tensor(content: Tensor, node: Mapping[str, Any]) -> Tensor:
    if "dtype" not in node:
        return content
    dtype = getattr(torch, node["dtype"], None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"a tensor's dtype is {node['dtype']}; this version of torch has no such type")
    return content.view(dtype).reshape(node["shape"])


def _restore_array(content: Tensor, node: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = content.numpy()
    if "dtype" not in node:
        return array
    return np.ndarray(node["shape"], np.dtype(node["dtype"]), bytearray(array.tobytes()))


def _text(text: str, path: tuple[str, ...]) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _unknown(path, "str with half a surrogate pair")
    return text


def _unknown(path: tuple[str, ...], found: str) -> TypeError:
    place = "/".join(path) or "the state"
    return TypeError(f"{place} is a {found}; a checkpoint holds {_HOLDS}: convert it in state_dict()")
