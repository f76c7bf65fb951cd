"""A state of more than 2 GB, in little more memory than its own."""

import resource
from pathlib import Path

import pytest
import torch

from learner_service.checkpoint import CheckpointDirectory

COUNT = 600_000_000


@pytest.mark.slow
def test_a_state_of_more_than_two_gigabytes_is_written_and_read(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path)
    weights = torch.arange(COUNT, dtype=torch.int32)
    assert weights.nbytes > 2**31
    before = peak_bytes()
    path = directory.write({"weights": weights, "updates": 3}, {})
    # Nothing of that size is made in order to write it.
    assert peak_bytes() - before < 0.2 * weights.nbytes
    assert (path / "state.safetensors").stat().st_size > weights.nbytes
    checkpoint = directory.newest()
    assert checkpoint is not None
    assert torch.equal(checkpoint.state["weights"], weights)
    # What is read, and the file's pages that it is copied from.
    assert peak_bytes() - before < 2.2 * weights.nbytes


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
