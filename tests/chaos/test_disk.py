"""The disk is full to the last block, and goes with its run."""

import errno
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.disk import Disk


def test_a_full_disk_takes_nothing_until_it_is_freed_and_is_unmounted_in_the_end(tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = Disk(tmp_path / "disk", 8, stack)
        if not disk.limited:
            pytest.skip("mounting needs root")
        file = disk.path / "file"
        file.write_bytes(b"")
        disk.fill()
        assert disk.full and disk.excuses
        with pytest.raises(OSError, match="No space") as refused:
            file.write_bytes(b"1")
        assert refused.value.errno == errno.ENOSPC
        disk.free()
        assert not disk.full
        assert disk.excuses, "a process may still end for want of space"
        file.write_bytes(b"1")
        assert disk.path.is_mount()
    assert not disk.path.is_mount()
