"""A checkpoint is whole or not there."""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from learner_service.checkpoint import CheckpointDirectory, CheckpointError
from learner_service.checkpoint.checkpoint_files import FORMAT
from tests.bare_client import eventually
from tests.checkpoint.states import assert_same

STATE = {"weights": torch.arange(1000.0), "moments": (np.ones(3), None), "updates": 2**100}


def names(path: Path) -> list[str]:
    return sorted(place.name for place in path.iterdir())


def written(path: Path, *values: int, keep: int = 3) -> CheckpointDirectory:
    """A directory with a checkpoint of each value."""
    directory = CheckpointDirectory(path, keep)
    for value in values:
        directory.write({"value": value, "weights": torch.full((100,), value)}, {"updates": value})
    return directory


def newest_value(directory: CheckpointDirectory) -> int:
    checkpoint = directory.newest()
    assert checkpoint is not None
    value: int = checkpoint.state["value"]
    assert checkpoint.about == {"updates": value}
    assert torch.equal(checkpoint.state["weights"], torch.full((100,), value))
    return value


def test_what_was_written_is_read(tmp_path: Path) -> None:
    about = {"run_id": "r", "ratio": 0.1, "laps": (1, 2), "nested": {"a": None}}
    path = CheckpointDirectory(tmp_path / "runs" / "mine").write(STATE, about)
    assert path == tmp_path / "runs" / "mine" / "000000000001"
    assert names(path) == ["checkpoint.json", "state.safetensors"]
    checkpoint = CheckpointDirectory(tmp_path / "runs" / "mine").newest()
    assert checkpoint is not None
    assert (checkpoint.number, checkpoint.path) == (1, path)
    assert_same(checkpoint.state, STATE)
    assert checkpoint.about == {**about, "laps": [1, 2]}


def test_an_empty_directory_has_no_newest(tmp_path: Path) -> None:
    assert CheckpointDirectory(tmp_path / "new").newest() is None


def test_keeps_the_newest_few_and_numbers_on_after_a_restart(tmp_path: Path) -> None:
    written(tmp_path, 1, 2, 3, 4)
    assert names(tmp_path) == ["000000000002", "000000000003", "000000000004"]
    directory = written(tmp_path, 5, keep=1)
    assert names(tmp_path) == ["000000000005"]
    assert newest_value(directory) == 5


def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep is 0 checkpoints; it must be at least 1"):
        CheckpointDirectory(tmp_path, keep=0)


def test_leftovers_of_a_crash_are_neither_read_nor_kept_and_other_files_stay(tmp_path: Path) -> None:
    directory = written(tmp_path, 1)
    (tmp_path / "000000000001").rename(tmp_path / "000000000003.old")
    written(tmp_path / "elsewhere", 7)
    (tmp_path / "elsewhere" / "000000000001").rename(tmp_path / "000000000009.new")
    (tmp_path / "notes.new").write_text("mine")
    assert directory.newest() is None
    directory.write({}, {})
    assert names(tmp_path) == ["000000000001", "elsewhere", "notes.new"]


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 4
    path.write_bytes(content)


def other_format(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["checkpoint"]["format"] = FORMAT + 1
    document["sha256"] = hashlib.sha256(json.dumps(document["checkpoint"]).encode()).hexdigest()
    path.write_text(json.dumps(document))


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("state.safetensors", lambda path: flip(path, 0.0), "state.safetensors has the checksum"),
    ("state.safetensors", lambda path: flip(path, 0.5), "state.safetensors has the checksum"),
    ("state.safetensors", lambda path: flip(path, 1.0), "state.safetensors has the checksum"),
    ("state.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1]), r"has \d+ bytes; \d+ were written"),
    ("state.safetensors", lambda path: path.write_bytes(b""), r"has 0 bytes; \d+ were written"),
    ("state.safetensors", Path.unlink, "state.safetensors: No such file or directory"),
    ("checkpoint.json", Path.unlink, "checkpoint.json: No such file or directory"),
    ("checkpoint.json", lambda path: path.write_bytes(b""), "checkpoint.json is not JSON"),
    ("checkpoint.json", lambda path: path.write_bytes(path.read_bytes()[:-9]), "checkpoint.json is not JSON"),
    ("checkpoint.json", lambda path: path.write_bytes(b"\xff" * 99), "checkpoint.json is not JSON"),
    ("checkpoint.json", lambda path: path.write_text("[1]"), "checkpoint.json is not {"),
    ("checkpoint.json", other_format, rf"its format is {FORMAT + 1}; this version reads {FORMAT}"),
]


@pytest.mark.parametrize(("name", "damage", "reason"), DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: Callable[[Path], object], reason: str
) -> None:
    directory = written(tmp_path, 1, 2, 3)
    damage(tmp_path / "000000000003" / name)
    with caplog.at_level(logging.WARNING):
        assert newest_value(directory) == 2
    (warning,) = caplog.messages
    assert re.search(rf"^checkpoint .*000000000003 is damaged and passed over: .*{reason}", warning)
    directory.write({}, {})
    assert names(tmp_path) == ["000000000002", "000000000003", "000000000004"]


def test_every_flipped_bit_of_the_document_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    directory = written(tmp_path, 1)
    path = tmp_path / "000000000001" / "checkpoint.json"
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            assert newest_value(directory) == 1
        except CheckpointError:
            noticed += 1
    assert noticed > 0.9 * len(content)


def test_where_all_are_damaged_nothing_begins_anew_by_itself(tmp_path: Path) -> None:
    directory = written(tmp_path, 1, 2)
    flip(tmp_path / "000000000001" / "state.safetensors", 0.5)
    (tmp_path / "000000000002" / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is sound \(000000000002: .*; 000000000001: .*\): "):
        directory.newest()


@pytest.mark.parametrize(
    ("state", "about", "kind"),
    [({"a": {1}}, {}, TypeError), ({}, {"a": {1}}, TypeError), ({}, {"a": np.inf}, ValueError)],
)
def test_what_cannot_be_written_leaves_no_trace(
    tmp_path: Path, state: object, about: dict[str, object], kind: type[Exception]
) -> None:
    directory = written(tmp_path, 1)
    with pytest.raises(kind):
        directory.write(state, about)
    assert names(tmp_path) == ["000000000001"]


FILE_LIMIT = """
import resource, sys
from pathlib import Path
import torch
from learner_service.checkpoint import CheckpointDirectory

directory = CheckpointDirectory(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, -1))
try:
    directory.write({"weights": torch.zeros(int(sys.argv[2])), "text": "x" * 20_000}, {})
except OSError as error:
    print(error)
"""


# With few weights it is the document that does not fit.
@pytest.mark.slow
@pytest.mark.parametrize("weights", [100_000, 10])
def test_a_write_that_the_system_refuses_names_path_and_size_and_leaves_the_others(
    tmp_path: Path, weights: int
) -> None:
    directory = written(tmp_path, 1)
    done = subprocess.run(
        [sys.executable, "-c", FILE_LIMIT, tmp_path, str(weights)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.fullmatch(
        r"\[Errno 27\] checkpoint /.*/000000000002 of \d{5,6} bytes could not be written: File too large; .*\n",
        done.stdout,
    )
    assert names(tmp_path) == ["000000000001"]
    assert newest_value(directory) == 1


def test_a_disk_without_room_is_not_filled_to_its_end(tmp_path: Path) -> None:
    directory = written(tmp_path / "checkpoints", 1)
    # More than there is room for, in a file of one hole that takes none.
    count = (shutil.disk_usage(tmp_path).free + 10**9) // 4
    with (tmp_path / "hole").open("wb") as hole:
        hole.truncate(4 * count)
    weights = torch.from_file(str(tmp_path / "hole"), shared=True, size=count, dtype=torch.float32)
    with pytest.raises(
        OSError, match=r"\[Errno 28\] checkpoint .*2 of \d{10,} bytes could not be written: No space left"
    ):
        directory.write({"weights": weights}, {})
    assert names(tmp_path / "checkpoints") == ["000000000001"]
    assert newest_value(directory) == 1


def test_all_of_it_is_on_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = CheckpointDirectory(tmp_path)
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def recorded_sync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(tmp_path)}")
        sync(descriptor)

    def recorded_rename(path: Path, target: Path) -> Path:
        steps.append(f"rename {path.relative_to(tmp_path)} {target.relative_to(tmp_path)}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(Path, "rename", recorded_rename)
    directory.write(STATE, {})
    assert steps == [
        "sync 000000000001.new/state.safetensors",
        "sync 000000000001.new/checkpoint.json",
        "sync 000000000001.new",
        "rename 000000000001.new 000000000001",
        "sync .",
    ]


@pytest.mark.slow
def test_killed_at_any_line_it_leaves_the_checkpoint_before_or_the_new_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.checkpoint.kill_at_every_line", tmp_path],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found = json.loads(done.stdout)
    # It was killed before anything was written, after everything was, and at each of the lines between.
    assert found["newest"] == sorted(found["newest"])
    assert set(found["newest"]) == {3, 4}
    assert found["kills"] > 60
    assert found["with_leftovers"] > 5


WRITE_LARGE = """
import sys
from pathlib import Path
import torch
from learner_service.checkpoint import CheckpointDirectory

CheckpointDirectory(Path(sys.argv[1])).write({"value": 2, "weights": torch.zeros(100_000_000)}, {"updates": 2})
"""


def holds_bytes(path: Path) -> bool:
    try:
        return any(place.stat().st_size for place in path.iterdir())
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_killed_amid_the_tensors_it_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    directory = written(tmp_path, 1)
    with subprocess.Popen([sys.executable, "-c", WRITE_LARGE, tmp_path]) as process:
        new = tmp_path / "000000000002.new"
        # 400 MB take longer to write and to sync than this takes to notice the first of them.
        eventually(lambda: holds_bytes(new), "tensors on disk")
        process.kill()
    assert names(tmp_path) == ["000000000001", "000000000002.new"]
    assert newest_value(directory) == 1
    written(tmp_path, 3)
    assert names(tmp_path) == ["000000000001", "000000000002"]
    assert newest_value(directory) == 3
