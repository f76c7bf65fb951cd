"""The audit: what replay holds against what workers were told, transition by transition."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.chaos.environment import mark_of, reward_of
from tests.chaos.ledger import Acknowledged
from tests.chaos.replay_files import ReplayFiles, StoredChunk

CONTINUES = 1
"""The ending of a chunk whose episode goes on."""
MOST_SENTENCES = 50
"""A run that lost everything need not say so for each transition."""


@dataclass(kw_only=True)
class Audit:
    """What was found."""

    acknowledged: int = 0
    """Transitions that some worker noted as acknowledged."""
    found: int = 0
    """Of these, transitions that replay holds exactly once."""
    stored: int = 0
    """Transitions in replay."""
    chunks: int = 0
    """Committed chunks in replay."""
    newest_version: int = 0
    """Newest policy version that acted on any of them."""
    violations: list[str] = field(default_factory=list)
    """A sentence each, the first ones."""
    violation_count: int = 0
    """All of them."""

    def add(self, sentence: str) -> None:
        """Notes a violation."""
        self.violation_count += 1
        if len(self.violations) < MOST_SENTENCES:
            self.violations.append(sentence)


@dataclass(slots=True)
class _Driven:
    """What replay holds of one worker process: chunks in the order of their commits."""

    chunks: list[tuple[int, int]] = field(default_factory=list)
    """First id and length."""
    next_id: int = 0
    """Where an unbroken row goes on; one further after the end of an episode."""
    policy_version: int = 0
    session: int | None = None
    sequence: int = 0
    sequences: dict[int, tuple[int, int]] = field(default_factory=dict)
    """First id and length by the chunk's number in the session."""


def audit(directory: Path, ledger: Iterable[Acknowledged], evaluators: frozenset[int] = frozenset()) -> Audit:
    """Audits a replay directory at rest.

    Args:
        directory: with replay.json.
        ledger: what was acknowledged.
        evaluators: worker processes whose transitions must not be in replay, acknowledged or not.
    """
    result = Audit()
    driven: dict[int, _Driven] = defaultdict(_Driven)
    serial = position = 0
    try:
        files = ReplayFiles(directory)
    except (OSError, ValueError, KeyError) as error:
        result.add(f"replay cannot be read: {type(error).__name__}: {error}")
        return result
    if files.unreadable_slots:
        result.add(f"{files.unreadable_slots} slots of the index hold no whole record; after a clean stop none may")
    for chunk in files.chunks():
        record = chunk.record
        serial, position = serial + 1, _check_record(result, chunk, serial + 1, position)
        if _check_rows(result, chunk):
            process = int(chunk.columns["observation/id"][0, 0])
            if process in evaluators:
                result.add(f"record {record['serial']} holds a chunk of evaluator process {process}")
            _check_order(result, chunk, driven[process], process)
        serial = int(record["serial"])
    _check_ledger(result, ledger, driven, evaluators)
    return result


def _check_record(result: Audit, chunk: StoredChunk, serial: int, position: int) -> int:
    """The record against its predecessor; returns the position after it."""
    record = chunk.record
    length = int(record["length"])
    name = f"record {record['serial']}"
    result.chunks += 1
    result.stored += length
    result.newest_version = max(result.newest_version, int(record["policy_version"]))
    if record["serial"] != serial:
        result.add(f"{name} follows record {serial - 1}; those between are gone")
    if record["position"] != position:
        result.add(f"{name} is at position {record['position']}; the chunk before it ends at {position}")
    if record["inserted"] != result.stored:
        result.add(f"{name} counts {record['inserted']} transitions; the records so far have {result.stored}")
    for column in chunk.broken:
        result.add(f"{name}: the bytes of {column} do not have the record's checksum")
    return int(record["position"]) + length + 1


def _check_rows(result: Audit, chunk: StoredChunk) -> bool:
    """Whether the rows are consecutive rows of one process; whatever they hold else must belong to them."""
    name, columns = f"record {chunk.record['serial']}", chunk.columns
    ids, echo = columns["observation/id"], columns["observation/echo"]
    if (ids[:, 0] != ids[0, 0]).any() or (np.diff(ids[:, 1]) != 1).any() or ids[0, 0] < 1:
        result.add(f"{name}: its ids are not consecutive: {ids.tolist()}")
        return False
    if not np.array_equal(echo[:, 1], mark_of(ids)):
        result.add(f"{name}: a row of observation/echo does not belong to its row of observation/id")
    if not np.array_equal(columns["reward"], reward_of(ids[1:])):
        result.add(f"{name}: a reward does not belong to its observation")
    if not np.array_equal(columns["action"][:, 0], echo[1:, 0]):
        result.add(f"{name}: an action does not belong to the observation that it led to")
    return True


def _check_order(result: Audit, chunk: StoredChunk, driven: _Driven, process: int) -> None:
    """The chunk against what its process drove before: nothing twice, nothing left out, versions never falling."""
    record, name = chunk.record, f"record {chunk.record['serial']}"
    first, length = int(chunk.columns["observation/id"][0, 1]), int(record["length"])
    if first < driven.next_id:
        result.add(
            f"{name}: process {process}, ids {first} to {first + length} come again or out of order: "
            f"{driven.next_id} was next"
        )
    elif first > driven.next_id:
        result.add(f"{name}: process {process}, ids {driven.next_id} to {first - 1} are left out before it")
    if record["policy_version"] < driven.policy_version:
        result.add(
            f"{name}: process {process} acted by version {record['policy_version']} after {driven.policy_version}"
        )
    if driven.session not in (None, record["session"]):
        result.add(
            f"{name}: process {process} is session {record['session']} and was {driven.session}: that was forgotten"
        )
    if record["sequence"] != driven.sequence + 1:
        result.add(f"{name}: process {process}, chunk {record['sequence']} comes after chunk {driven.sequence}")
    driven.session = int(record["session"])
    driven.sequence = int(record["sequence"])
    driven.sequences[driven.sequence] = first, length
    driven.chunks.append((first, length))
    driven.next_id = max(driven.next_id, first + length + (record["ending"] != CONTINUES))
    driven.policy_version = max(driven.policy_version, int(record["policy_version"]))


def _check_ledger(
    result: Audit, ledger: Iterable[Acknowledged], driven: dict[int, _Driven], evaluators: frozenset[int]
) -> None:
    """Every acknowledged transition must be there once."""
    counts = {process: _times_stored(row.chunks) for process, row in driven.items()}
    for line in ledger:
        if line.process in evaluators:
            continue
        times = counts.get(line.process, np.zeros(0, np.int64))[line.first_id : line.first_id + line.length]
        missing = line.length - int(np.count_nonzero(times))
        found = int(np.count_nonzero(times == 1))
        result.acknowledged += line.length
        result.found += found
        what = (
            f"of session {line.session_id}, chunk {line.sequence}, process {line.process}, ids {line.first_id} to "
            f"{line.first_id + line.length - 1}, all acknowledged,"
        )
        stored = driven[line.process].sequences.get(line.sequence) if line.process in driven else None
        if stored not in (None, (line.first_id, line.length)):
            result.add(f"{what} replay has other transitions under this number: {stored[1]} from id {stored[0]}")
        if missing:
            result.add(f"{what} {missing} of {line.length} transitions are not in replay")
        if missing + found < line.length:
            result.add(f"{what} {line.length - missing - found} transitions are in replay more than once")


def _times_stored(chunks: list[tuple[int, int]]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """How often each id of a process is a transition in replay, by id."""
    ends = np.zeros(max(first + length for first, length in chunks) + 1, np.int64)
    for first, length in chunks:
        ends[first] += 1
        ends[first + length] -= 1
    return np.cumsum(ends)
