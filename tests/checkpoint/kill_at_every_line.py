"""Writes the same checkpoint again and again, killed by SIGKILL one line of Python later each time.

Prints, as JSON: the newest sound checkpoint after each kill, how many kills there were, and after how many of them the
next write found something to clear away.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from learner_service.checkpoint import CheckpointDirectory

KEEP = 2


def write_and_die(directory: CheckpointDirectory, line: int) -> None:
    """Dies before the given line of the project's code; exits with 0 if there are not so many."""
    passed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal passed
        if "learner_service/checkpoint" not in frame.f_code.co_filename and "shutil" not in frame.f_code.co_filename:
            return None
        if "state_tree" in frame.f_code.co_filename:
            return None
        if event == "line":
            passed += 1
            if passed > line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    directory.write(state(4), {})
    sys.settrace(None)
    os._exit(0)


def state(value: int) -> dict[str, Any]:
    return {"value": value, "weights": torch.full((1000,), value)}


def main(path: Path) -> None:
    before = path / "before"
    for value in (1, 2, 3):
        CheckpointDirectory(before, KEEP).write(state(value), {})
    newest, with_leftovers = [], 0
    status, line = 1, 0
    while status:
        place = path / "run"
        shutil.copytree(before, place)
        directory = CheckpointDirectory(place, KEEP)
        child = os.fork()
        if child == 0:
            write_and_die(directory, line)
        _, status = os.waitpid(child, 0)
        assert status in (0, signal.SIGKILL), status
        checkpoint = directory.newest()
        assert checkpoint is not None
        assert torch.equal(checkpoint.state["weights"], state(checkpoint.state["value"])["weights"])
        newest.append(checkpoint.state["value"])
        with_leftovers += any(name.suffix for name in place.iterdir())
        # And the one after the crash is written as ever.
        directory.write(state(5), {})
        names = sorted(name.name for name in place.iterdir())
        assert len(names) == KEEP, names
        assert all(name.isdigit() for name in names), names
        shutil.rmtree(place)
        line += 1
    print(json.dumps({"newest": newest, "kills": line - 1, "with_leftovers": with_leftovers}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
