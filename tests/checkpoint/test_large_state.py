"""A state of more than 2 GB, in little more memory than its own."""

import re
from pathlib import Path

import pytest
import torch

from learner_service.checkpoint import CheckpointDirectory

COUNT = 540_000_000
PART = 60_000_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_state_of_more_than_two_gigabytes_is_written_and_read(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path)
    weights = torch.arange(COUNT, dtype=torch.int32)
    size = weights.nbytes
    assert size > 2**31
    before = forget_peak_bytes()
    path = directory.write({"weights": weights, "updates": 3}, {})
    # Nothing of that size is made in order to write it.
    assert peak_bytes() - before < 0.1 * size
    assert (path / "state.safetensors").stat().st_size > size
    del weights

    before = forget_peak_bytes()
    checkpoint = directory.newest()
    # What is read, and the file's own pages that it is copied from.
    assert peak_bytes() - before < 2.1 * size
    assert checkpoint is not None
    assert checkpoint.state["updates"] == 3
    assert checkpoint.state["weights"].shape == (COUNT,)
    for begin in range(0, COUNT, PART):
        expected = torch.arange(begin, begin + PART, dtype=torch.int32)
        assert torch.equal(checkpoint.state["weights"][begin : begin + PART], expected)


def forget_peak_bytes() -> int:
    """Makes this process's memory now its peak, and returns it."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
