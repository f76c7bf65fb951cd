"""The audit finds what is planted, and nothing where nothing is."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.files import ReplayFiles
from learner_service.replay.ring import ReplayRing
from tests.chaos.audit import audit
from tests.chaos.environment import ChaosEnvironment, mark_of, reward_of
from tests.chaos.ledger import Acknowledged
from worker_service.environment import environment_spaces

CAPACITY = 4096
EVALUATOR = 9


def spaces() -> Spaces:
    observation, action = ChaosEnvironment.observation_space, ChaosEnvironment.action_space
    boxes = {name: Box(low=box.low, high=box.high) for name, box in observation.items()}
    return Spaces(observation=boxes, action=Box(low=action.low, high=action.high))


def drive(process: int, chunks: int) -> list[TrajectoryChunk]:
    """What one process drives: chunks of 1 to 20 steps, now and then the last of an episode."""
    random = np.random.default_rng(process)
    driven, first_id = [], 0
    for sequence in range(1, chunks + 1):
        length = int(random.integers(1, 21))
        ids = np.stack((np.full(length + 1, process), np.arange(first_id, first_id + length + 1)), 1).astype(np.int64)
        action = random.uniform(-1, 1, (length, 1)).astype(np.float32)
        echo = np.stack((np.concatenate(([0], action[:, 0])).astype(np.float32), mark_of(ids)), 1)
        ending = Ending.TERMINATED if random.random() < 0.3 else Ending.CONTINUES
        driven.append(
            TrajectoryChunk(
                sequence=sequence,
                episode_id=1,
                first_step=0,
                policy_version=sequence,
                purpose=Purpose.TRAINING,
                observation={"id": ids, "echo": echo},
                action=action,
                reward=reward_of(ids[1:]),
                ending=ending,
                summary=None,
            )
        )
        first_id += length + (ending is not Ending.CONTINUES)
    return driven


def store(directory: Path, chunks: Iterable[TrajectoryChunk]) -> ReplayFiles:
    """Through the learner's own ring: the audit must read what that writes."""
    files = ReplayFiles.create(directory, spaces(), CAPACITY)
    ring = ReplayRing(spaces(), capacity=CAPACITY, files=files)
    for chunk in chunks:
        ring.add(process_of(chunk), chunk)
    return files


def process_of(chunk: TrajectoryChunk) -> int:
    return int(chunk.observation["id"][0, 0])


def ledger(chunks: Iterable[TrajectoryChunk]) -> list[Acknowledged]:
    return [
        Acknowledged("s", chunk.sequence, process_of(chunk), int(chunk.observation["id"][0, 1]), length=chunk.length)
        for chunk in chunks
    ]


def interleaved() -> list[TrajectoryChunk]:
    """Of three processes, taking turns."""
    return [chunk for turn in zip(*(drive(process, 30) for process in (1, 2, 3)), strict=True) for chunk in turn]


def test_sound_replay_has_no_violation_and_every_transition(tmp_path: Path) -> None:
    chunks = interleaved()
    store(tmp_path, chunks).close()
    found = audit(tmp_path, ledger(chunks), frozenset({EVALUATOR}))
    assert found.violations == []
    transitions = sum(chunk.length for chunk in chunks)
    assert (found.acknowledged, found.found, found.stored, found.chunks) == (transitions,) * 3 + (90,)


def test_a_committed_chunk_whose_acknowledgement_was_lost_is_no_violation(tmp_path: Path) -> None:
    chunks = interleaved()
    store(tmp_path, chunks).close()
    found = audit(tmp_path, ledger(chunks[:-3]))
    assert found.violations == []
    assert found.stored > found.acknowledged == found.found


def drop(chunks: list[TrajectoryChunk]) -> list[TrajectoryChunk]:
    return chunks[:40] + chunks[41:]


def drop_the_last(chunks: list[TrajectoryChunk]) -> list[TrajectoryChunk]:
    return chunks[:-1]


def double_at_once(chunks: list[TrajectoryChunk]) -> list[TrajectoryChunk]:
    return chunks[:41] + chunks[40:]


def double_later(chunks: list[TrajectoryChunk]) -> list[TrajectoryChunk]:
    return chunks + chunks[40:41]


def swap(chunks: list[TrajectoryChunk]) -> list[TrajectoryChunk]:
    """Two of one process, three turns apart by one turn."""
    return [*chunks[:40], chunks[43], chunks[41], chunks[42], chunks[40], *chunks[44:]]


@pytest.mark.parametrize(
    ("plant", "sentences"),
    [
        (drop, ("are left out", "transitions are not in replay")),
        (drop_the_last, ("transitions are not in replay",)),
        (double_at_once, ("come again or out of order", "in replay more than once")),
        (double_later, ("come again or out of order", "in replay more than once")),
        (swap, ("are left out", "come again or out of order")),
    ],
)
def test_a_planted_bug_is_found(
    tmp_path: Path,
    plant: Callable[[list[TrajectoryChunk]], list[TrajectoryChunk]],
    sentences: tuple[str, ...],
) -> None:
    chunks = interleaved()
    store(tmp_path, plant(chunks)).close()
    found = audit(tmp_path, ledger(chunks))
    for sentence in sentences:
        assert any(sentence in violation for violation in found.violations), found.violations
    assert found.violation_count > 0


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("observation/id", "its ids are not consecutive"),
        ("observation/echo", "a row of observation/echo does not belong"),
        ("action", "an action does not belong"),
        ("reward", "a reward does not belong"),
    ],
)
def test_a_torn_row_is_found_by_its_content_and_by_its_checksum(tmp_path: Path, column: str, sentence: str) -> None:
    files = store(tmp_path, drive(1, 20))
    rows = files.columns[column]
    rows[30] = rows[90]
    files.close()
    found = audit(tmp_path, ledger(drive(1, 20)))
    assert any(sentence in violation for violation in found.violations), found.violations
    assert any(f"the bytes of {column}" in violation for violation in found.violations), found.violations


def test_a_broken_record_is_found(tmp_path: Path) -> None:
    files = store(tmp_path, drive(1, 20))
    files.close()
    with (tmp_path / "index.bin").open("r+b") as index:
        index.seek(5 * files.format.size + 8)
        index.write(b"\xff")
    found = audit(tmp_path, ledger(drive(1, 20)))
    assert any("hold no whole record" in violation for violation in found.violations), found.violations
    assert any("those between are gone" in violation for violation in found.violations), found.violations


def test_a_chunk_of_an_evaluator_in_replay_is_found(tmp_path: Path) -> None:
    store(tmp_path, [*drive(1, 5), *drive(EVALUATOR, 1)]).close()
    found = audit(tmp_path, ledger(drive(1, 5)), frozenset({EVALUATOR}))
    assert any("evaluator process 9" in violation for violation in found.violations), found.violations


def test_an_older_policy_than_before_is_found(tmp_path: Path) -> None:
    older, newer = drive(1, 2)
    assert older.policy_version < newer.policy_version
    object.__setattr__(older, "policy_version", newer.policy_version + 1)
    store(tmp_path, [older, newer]).close()
    found = audit(tmp_path, ledger([older, newer]))
    assert any("acted by version 2 after 3" in violation for violation in found.violations), found.violations


def test_replay_that_is_not_there_is_a_violation(tmp_path: Path) -> None:
    found = audit(tmp_path, ledger(drive(1, 2)))
    assert found.violation_count == 1
    assert "replay cannot be read" in found.violations[0]


def test_the_environment_drives_what_the_audit_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAOS_PROCESS", "7")
    environment = ChaosEnvironment(step_seconds=0)
    assert environment_spaces(environment).mismatch(spaces()) is None
    before, _ = environment.reset()
    after, reward, *_ = environment.step(np.array([0.5], np.float32))
    assert (after["id"] - before["id"]).tolist() == [0, 1]
    assert after["id"][0] == 7
    assert after["echo"][0] == 0.5
    assert (reward, after["echo"][1]) == (float(reward_of(after["id"])), float(mark_of(after["id"])))
