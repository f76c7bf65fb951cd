"""The ledger survives the kill of its writer."""

from pathlib import Path

import numpy as np

from distrib_l2r.tensor import encode_tensor
from distrib_l2r.v1 import tensor_pb2, trajectory_pb2
from tests.chaos.ledger import Acknowledged, Ledger, read_ledgers


def chunk(sequence: int, first_id: int) -> trajectory_pb2.TrajectoryChunk:
    ids = np.array([[4, first_id], [4, first_id + 1], [4, first_id + 2]], np.int64)
    column = tensor_pb2.NamedTensor(name="id", tensor=encode_tensor(ids))
    return trajectory_pb2.TrajectoryChunk(sequence=sequence, observation=[column])


def test_every_note_is_read_again_and_a_line_broken_off_is_not(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "4.ledger")
    ledger.note("a", chunk(1, 0))
    ledger.note("a", chunk(2, 2))
    path = tmp_path / "4.ledger"
    path.write_bytes(path.read_bytes() + b"a 3 4 4")
    assert list(read_ledgers(tmp_path)) == [Acknowledged("a", 1, 4, 0, 2), Acknowledged("a", 2, 4, 2, 2)]
