"""Which sessions there are and what each has committed, on disk."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from google.protobuf import json_format

from distrib_l2r.v1 import join_pb2
from learner_service.mapped_file import MappedFile
from learner_service.session import Session

_TEXT_BYTES: Final = 2512

_SLOT: Final = np.dtype(
    [
        ("committed_sequence", "<u8"),
        ("transitions", "<u8"),
        ("episodes", "<u8"),
        ("aborted_episodes", "<u8"),
        ("text_checksum", "<u8"),
        ("text_length", "<u8"),
        ("text", np.uint8, _TEXT_BYTES),
    ]
)
_FIGURES: Final = ("transitions", "episodes", "aborted_episodes")


@dataclass(eq=False)
class SessionTable:
    """A slot for each session, in one memory-mapped file `sessions.bin`.

    A slot holds who the session is, as JSON under a checksum (xxh3), and how far it has committed. The sequence is one
    aligned word, so that `kill -9` leaves the old or the new one; the figures beside it may be a chunk ahead then.

    Args:
        path: of the file, made where it is missing.
        slots: most sessions.

    Raises:
        OSError: the file cannot be made.
    """

    path: Path
    slots: int

    def __post_init__(self) -> None:
        self._file = MappedFile(self.path, (self.slots,), _SLOT)
        self._table = self._file.array
        # A field of all slots at a time: several times faster to write into than a field of one slot.
        self._figures = {name: self._table[name] for name in _FIGURES}
        self._committed_sequence = self._table["committed_sequence"]
        self._slot_of: dict[int, int] = {}
        self._free = list(range(self.slots - 1, -1, -1))

    def read(self) -> Iterator[Session]:
        """Every session, in the order in which they joined; called once, before anything else."""
        sessions: dict[int, Session] = {}
        for slot in range(self.slots):
            session = self._read(slot)
            if session is not None:
                self._slot_of[session.number] = slot
                sessions[session.number] = session
        taken = set(self._slot_of.values())
        self._free = [slot for slot in self._free if slot not in taken]
        yield from (sessions[number] for number in sorted(sessions))

    def add(self, session: Session) -> None:
        """Gives a session that has committed nothing yet its slot."""
        slot = self._free.pop()
        self._slot_of[session.number] = slot
        text = json.dumps(_identity(session), ensure_ascii=False).encode()
        assert len(text) <= _TEXT_BYTES, "names and ids have limits"
        row = self._table[slot]
        # The checksum comes last: a slot is a session's once its text is whole.
        row["text_checksum"] = 0
        for name in ("committed_sequence", *_FIGURES):
            row[name] = 0
        row["text"][: len(text)] = np.frombuffer(text, np.uint8)
        row["text_length"] = len(text)
        row["text_checksum"] = xxhash.xxh3_64_intdigest(text)

    def commit(self, session: Session) -> None:
        """Stores how far a session has come."""
        slot = self._slot_of[session.number]
        for name, column in self._figures.items():
            column[slot] = getattr(session, name)
        self._committed_sequence[slot] = session.committed_sequence

    def forget(self, session: Session) -> None:
        """Frees a session's slot."""
        slot = self._slot_of.pop(session.number)
        self._table[slot]["text_checksum"] = 0
        self._free.append(slot)

    def sync(self) -> None:
        """Waits until the table is on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _read(self, slot: int) -> Session | None:
        row = self._table[slot]
        length = int(row["text_length"])
        if row["text_checksum"] == 0 or length > _TEXT_BYTES:
            return None
        text = row["text"][:length].tobytes()
        if xxhash.xxh3_64_intdigest(text) != int(row["text_checksum"]):
            return None
        identity = json.loads(text)
        session = Session(
            session_id=identity["session_id"],
            worker_name=identity["worker_name"],
            assignment=json_format.ParseDict(identity["assignment"], join_pb2.Assignment()),
            committed_sequence=int(row["committed_sequence"]),
        )
        for name in _FIGURES:
            setattr(session, name, int(row[name]))
        return session


def _identity(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "worker_name": session.worker_name,
        "assignment": json_format.MessageToDict(session.assignment),
    }
