"""Replay in files: killed at any instruction, damaged in any file, on a full disk."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from learner_service.replay.files import ReplayFiles, ReplayFilesError
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import SPACES, marked_chunk, plain_chunk, transition_rows
from tests.replay.killed_writer import CAPACITY, chunk_of

KILLS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay"


def make(path: Path, capacity: int = 64) -> ReplayRing:
    return ReplayRing(SPACES, capacity=capacity, files=ReplayFiles.create(path, SPACES, capacity))


def reopen(path: Path, capacity: int = 64) -> ReplayRing:
    return ReplayRing(SPACES, capacity=capacity, files=ReplayFiles(path))


def fill(ring: ReplayRing, chunks: int) -> None:
    for sequence in range(1, chunks + 1):
        ring.add(1, marked_chunk([sequence, sequence + 1], [sequence], episode_id=sequence, sequence=sequence))


@pytest.mark.slow
def test_a_ring_killed_at_any_instruction_holds_every_committed_chunk_whole(path: Path) -> None:
    generator = np.random.default_rng(5)
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.replay.killed_writer", str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(generator.integers(1, 400)):
                told = process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            told = (told + process.stdout.read()).rpartition("\n")[0].rpartition("\n")[2]
        ring = reopen(path, CAPACITY)
        newest = ring.recovered.newest
        assert newest is not None
        # One more may be committed and not yet told.
        assert int(told) <= newest.sequence <= int(told) + 1
        assert not ring.recovered.damaged_chunks
        assert not ring.recovered.lost_records
        records = ring.recovered.records
        assert [record.sequence for record in records] == list(range(records[0].sequence, newest.sequence + 1))
        assert newest.end - records[0].position > CAPACITY - 2 * 251
        for record in records:
            rows = (record.position + np.arange(record.length + 1)) % CAPACITY
            expected = chunk_of(record.sequence)
            for name, column in ring.observation.items():
                np.testing.assert_array_equal(column[rows], expected.observation[name])
            np.testing.assert_array_equal(ring.reward[rows[:-1]], expected.reward)
        assert ring.transitions == len(transition_rows(ring)) == sum(record.length for record in records)


@pytest.mark.parametrize("name", ["00.observation.pose.bin", "02.privileged.grip.bin", "04.reward.bin"])
def test_a_damaged_column_is_named_and_what_is_sound_is_kept(
    path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(make(path), 10)
    content = bytearray((path / name).read_bytes())
    row = len(content) // 64
    content[2 * 3 * row] ^= 1  # the fourth chunk's first row
    (path / name).write_bytes(content)
    with caplog.at_level(logging.ERROR):
        ring = reopen(path)
    assert f"{path / name} is damaged: 1 chunks" in caplog.text
    assert "keeps 9 transitions" in caplog.text
    np.testing.assert_array_equal(ring.reward[transition_rows(ring)], [1, 2, 3, 5, 6, 7, 8, 9, 10])


def test_a_file_cut_short_costs_what_was_in_its_end(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(make(path), 32)
    file = path / "03.action.bin"
    with file.open("r+b") as stream:
        stream.truncate(4 * 30)
    ring = reopen(path)
    assert f"{file} is damaged: 17 chunks" in caplog.text
    assert ring.transitions == 15


def test_a_damaged_record_costs_its_chunk(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(make(path), 10)
    size = ReplayFiles(path).format.size
    content = bytearray((path / "index.bin").read_bytes())
    content[3 * size + 8] ^= 1
    (path / "index.bin").write_bytes(content)
    ring = reopen(path)
    assert "index.bin is damaged: the records of 1 chunks" in caplog.text
    np.testing.assert_array_equal(ring.reward[transition_rows(ring)], [1, 2, 3, 5, 6, 7, 8, 9, 10])


def test_a_ring_goes_on_behind_a_damaged_newest_chunk(path: Path) -> None:
    fill(make(path), 3)
    content = bytearray((path / "04.reward.bin").read_bytes())
    content[4 * 4] ^= 1
    (path / "04.reward.bin").write_bytes(content)
    ring = reopen(path)
    ring.add(1, marked_chunk([7, 8], [7], sequence=4))
    assert (ring.written, ring.inserted) == (8, 4)
    np.testing.assert_array_equal(ring.reward[transition_rows(ring)], [1, 2, 7])


def test_damaged_facts_are_refused_with_a_remedy(path: Path) -> None:
    make(path)
    (path / "replay.json").write_text('{"format": 1, "capa')
    with pytest.raises(ReplayFilesError, match=r"replay\.json is damaged .* move .* away to begin with an empty"):
        ReplayFiles(path)
    (path / "replay.json").write_text('{"format": 2}')
    with pytest.raises(ReplayFilesError, match="has format 2; this learner reads 1"):
        ReplayFiles(path)


def test_another_capacity_is_refused_with_a_remedy(path: Path) -> None:
    make(path)
    with pytest.raises(ValueError, match=r"replay_capacity is 65; the replay in .* has 64 rows: give"):
        reopen(path, 65)


def test_a_disk_too_small_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"replay takes [\d,]+ bytes in .* are free: make room, lower replay_capacity"):
        ReplayFiles.create(tmp_path, SPACES, 10**12)


def test_an_overwritten_ring_keeps_its_newest_rows(path: Path) -> None:
    ring = make(path)
    fill(ring, 100)
    again = reopen(path)
    assert (again.written, again.inserted) == (ring.written, ring.inserted) == (200, 100)
    np.testing.assert_array_equal(again.ending, ring.ending)
    assert again.transitions == ring.transitions == 32


def test_a_chunk_broken_off_is_not_there_and_does_not_tear_others(path: Path) -> None:
    ring = make(path, 8)
    fill(ring, 4)
    broken = plain_chunk(3)
    object.__setattr__(broken, "reward", np.zeros(5, np.float32))
    object.__setattr__(broken, "action", np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="broadcast"):
        ring.add(1, broken)
    again = reopen(path, 8)
    assert (again.written, again.inserted) == (8, 4)
    rows = transition_rows(again)
    np.testing.assert_array_equal(again.reward[rows], np.array([1, 2, 3, 4])[rows // 2])
    assert len(rows) == 2 or set(rows) <= {6}
