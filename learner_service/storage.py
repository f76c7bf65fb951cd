"""What a run keeps on disk: replay, sessions, counters and checkpoints."""

import contextlib
import fcntl
import logging
import os
import threading
from pathlib import Path
from typing import Final

from distrib_l2r.spaces import Spaces
from learner_service.checkpoint.directory import CheckpointDirectory
from learner_service.checkpoint.writer import CheckpointWriter
from learner_service.config import StorageConfig
from learner_service.durable_words import DurableWords
from learner_service.replay.files import ReplayFiles
from learner_service.session_table import SessionTable

_logger = logging.getLogger(__name__)

SYNC_STOP_SECONDS: Final = 5.0
"""For the sync under way."""
WRITER_STOP_SECONDS: Final = 12.0
"""For the last checkpoint."""


class Storage:
    """The files of one run, held by one learner at a time.

    `replay/` holds rows, records and sessions; with memory_only there is none. `checkpoints/` holds checkpoints, and
    `counters.bin` what must never fall, whatever happens: the newest policy version and the number of learners so far.

    Attributes:
        graph: file of the policy graph.
        replay: None until `make_replay`, or for good with memory_only.
        sessions: None with memory_only.
        counters: `policy_version` and `starts`.
        checkpoints: found and to come.
        writer: of new ones.
    """

    def __init__(self, run_dir: Path, config: StorageConfig, max_sessions: int) -> None:
        """Opens what is there and makes what is not.

        Raises:
            OSError: another learner holds the directory, or files cannot be made.
            ReplayFilesError: the replay there is damaged beyond use.
        """
        self._config = config
        self._replay_dir = config.replay_dir or run_dir / "replay"
        self.graph = run_dir / "graph.onnx"
        self.replay: ReplayFiles | None = None
        self.sessions: SessionTable | None = None
        with contextlib.ExitStack() as undo:
            run_dir.mkdir(parents=True, exist_ok=True)
            undo.callback(os.close, _hold(run_dir))
            self.counters = DurableWords(run_dir / "counters.bin", ("policy_version", "starts"))
            undo.callback(self.counters.close)
            if not config.memory_only:
                self._replay_dir.mkdir(parents=True, exist_ok=True)
                undo.callback(os.close, _hold(self._replay_dir))
                self.sessions = SessionTable(self._replay_dir / "sessions.bin", max_sessions)
                undo.callback(self.sessions.close)
                if ReplayFiles.exist(self._replay_dir):
                    self.replay = ReplayFiles(self._replay_dir)
            undo.callback(self._close_replay)
            self.checkpoints = CheckpointDirectory(run_dir / "checkpoints", keep=config.checkpoints_kept)
            self.writer = CheckpointWriter(self.checkpoints)
            undo.callback(self.writer.close, WRITER_STOP_SECONDS)
            self._stopping = threading.Event()
            self._sync_thread = threading.Thread(target=self._sync_often, name="replay-sync", daemon=True)
            if config.sync_period_seconds and not config.memory_only:
                self._sync_thread.start()
            self._undo = undo.pop_all()
        self.counters["starts"] += 1

    def make_replay(self, spaces: Spaces, capacity: int) -> ReplayFiles | None:
        """The files of the run's replay, made where there were none; None with memory_only.

        Raises:
            OSError: they cannot be made.
        """
        if self.replay is None and not self._config.memory_only:
            self.replay = ReplayFiles.create(self._replay_dir, spaces, capacity)
        return self.replay

    def take_version(self, version: int) -> None:
        """Remembers that this version is about to be published."""
        self.counters["policy_version"] = version

    def close(self) -> None:
        """Waits for the last checkpoint, puts everything on the disk and lets go of it; safe to call twice.

        Raises:
            TimeoutError: the disk did not take the checkpoint in time; the one before stays.
        """
        self._stopping.set()
        if self._sync_thread.is_alive():
            self._sync_thread.join(SYNC_STOP_SECONDS)
        with self._undo.pop_all():
            self._sync()

    def _close_replay(self) -> None:
        if self.replay is not None:
            self.replay.close()

    def _sync_often(self) -> None:
        while not self._stopping.wait(self._config.sync_period_seconds):
            try:
                self._sync()
            except OSError as error:
                # The kernel holds it still, safe from a crash of this process, and the next sync may succeed.
                _logger.error("replay cannot be put on the disk: %s", error)

    def _sync(self) -> None:
        for part in (self.replay, self.sessions, self.counters):
            if part is not None:
                part.sync()


def _hold(directory: Path) -> int:
    """Locks a directory until the descriptor returned is closed or the process ends, however it ends.

    Raises:
        OSError: another process holds it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OSError(f"{directory} is in use by another learner: stop it, or give another --run-dir") from error
    return descriptor
