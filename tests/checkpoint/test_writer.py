"""Training never waits for the disk, and no failure of the disk ends it."""

import errno
import logging
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from learner_service.checkpoint import CheckpointDirectory, CheckpointWriter

DEADLINE_SECONDS = 20.0


class SlowDisk:
    """A disk that writes while its gate is open, and raises `failure` instead if there is one."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.written: list[Any] = []
        self.threads: set[str] = set()
        self.failure: Exception | None = None

    def write(self, state: Any, about: Mapping[str, Any]) -> Path:
        self.threads.add(threading.current_thread().name)
        self.begun.release()
        assert self.gate.wait(DEADLINE_SECONDS), "the test never opened the gate"
        if self.failure is not None:
            raise self.failure
        self.written.append(state)
        return Path(str(about["number"]))


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.gate.set()


@pytest.fixture
def writer(disk: SlowDisk) -> Iterator[CheckpointWriter]:
    writer = CheckpointWriter(disk)
    yield writer
    disk.gate.set()
    writer.close(DEADLINE_SECONDS)


def test_what_is_submitted_lands_in_the_directory(tmp_path: Path) -> None:
    directory = CheckpointDirectory(tmp_path)
    writer = CheckpointWriter(directory)
    before = time.monotonic()
    assert (writer.written_at, writer.newest, writer.failure_text) == (None, None, None)
    assert writer.submit({"weights": torch.ones(3)}, {"updates": 5})
    writer.close(DEADLINE_SECONDS)
    assert writer.newest == tmp_path / "000000000001"
    assert writer.written_at is not None
    assert before <= writer.written_at <= time.monotonic()
    checkpoint = directory.newest()
    assert checkpoint is not None
    assert checkpoint.about == {"updates": 5}


def test_while_one_is_written_others_are_not_taken(disk: SlowDisk, writer: CheckpointWriter) -> None:
    assert writer.submit("first", {"number": 1})
    # Not even before the thread has begun, or there were two to write.
    assert not writer.submit("second", {"number": 2})
    assert disk.begun.acquire(timeout=DEADLINE_SECONDS)
    assert not writer.submit("third", {"number": 3})
    assert not writer.await_idle(0.01)
    assert writer.written_at is None
    disk.gate.set()
    assert writer.await_idle(DEADLINE_SECONDS)
    assert writer.submit("fourth", {"number": 4})
    assert writer.await_idle(DEADLINE_SECONDS)
    assert disk.written == ["first", "fourth"]
    assert writer.newest == Path("4")
    assert disk.threads == {"checkpoint-writer"}


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "no room"), TypeError("no room")])
def test_a_failure_is_told_and_the_next_one_is_tried(
    disk: SlowDisk, writer: CheckpointWriter, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    disk.gate.set()
    assert writer.submit(1, {"number": 1})
    assert writer.await_idle(DEADLINE_SECONDS)
    written_at = writer.written_at
    disk.failure = failure
    with caplog.at_level(logging.WARNING):
        assert writer.submit(2, {"number": 2})
        assert writer.await_idle(DEADLINE_SECONDS)
    assert writer.failure_text is not None
    assert "no room" in writer.failure_text
    assert writer.written_at == written_at
    assert writer.newest == Path("1")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"no checkpoint was written, training goes on: {failure}"
    assert bool(record.exc_info) is not isinstance(failure, OSError)
    disk.failure = None
    assert writer.submit(3, {"number": 3})
    assert writer.await_idle(DEADLINE_SECONDS)
    assert writer.failure_text is None
    assert disk.written == [1, 3]


def test_closing_waits_for_what_was_submitted(disk: SlowDisk, writer: CheckpointWriter) -> None:
    assert writer.submit("last", {"number": 1})
    assert disk.begun.acquire(timeout=DEADLINE_SECONDS)
    closing = threading.Thread(target=writer.close, args=(DEADLINE_SECONDS,), name="closing")
    closing.start()
    disk.gate.set()
    closing.join(DEADLINE_SECONDS)
    assert not closing.is_alive()
    assert disk.written == ["last"]
    with pytest.raises(RuntimeError, match="the checkpoint writer is closed"):
        writer.submit("late", {"number": 2})
    writer.close(DEADLINE_SECONDS)


def test_a_disk_that_hangs_does_not_hold_up_closing_forever(disk: SlowDisk, writer: CheckpointWriter) -> None:
    assert writer.submit("stuck", {"number": 1})
    assert disk.begun.acquire(timeout=DEADLINE_SECONDS)
    with pytest.raises(TimeoutError, match=r"was not written within 0\.05 s; its disk hangs or is too slow"):
        writer.close(0.05)


def test_the_thread_ends_with_its_writer(disk: SlowDisk) -> None:
    writer = CheckpointWriter(disk)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "checkpoint-writer"]
    writer.close(DEADLINE_SECONDS)
    assert not thread.is_alive()


def test_what_was_written_does_not_stay_in_memory(disk: SlowDisk, writer: CheckpointWriter) -> None:
    class State:
        pass

    disk.gate.set()
    state = State()
    gone = threading.Event()
    weakref.finalize(state, gone.set)
    assert writer.submit(state, {"number": 1})
    del state
    assert writer.await_idle(DEADLINE_SECONDS)
    disk.written.clear()
    assert gone.wait(DEADLINE_SECONDS)
