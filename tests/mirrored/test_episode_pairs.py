"""Pairs are put together from interleaved chunks, only from what mirrors each other, and only from whole episodes."""

import numpy as np
import pytest

from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.mirrored import episode_pairs
from learner_service.mirrored.advantages import pair_advantages
from learner_service.mirrored.episode_pairs import EpisodePairs, Pair

CHUNK = 4


def episode(
    episode_id: int,
    reward: list[float],
    *,
    mirror_of: int = 0,
    ending: Ending = Ending.TRUNCATED,
    version: int = 1,
    newer_from: int | None = None,
) -> list[TrajectoryChunk]:
    """An episode in chunks; observations tell episode and step; a newer version drives from a step on."""
    chunks, length = [], len(reward)
    for start in range(0, length, CHUNK):
        end = min(start + CHUNK, length)
        states = np.arange(start, end + 1, dtype=np.float32)
        chunks.append(
            TrajectoryChunk(
                episode_id=episode_id,
                first_step=start,
                policy_version=version + (newer_from is not None and start >= newer_from),
                purpose=Purpose.TRAINING,
                observation={"observation": np.stack([np.full_like(states, episode_id), states], 1)},
                action=np.full((end - start, 2), episode_id / 100, np.float32),
                reward=np.array(reward[start:end], np.float32),
                ending=ending if end == length else Ending.CONTINUES,
                mirror_of=mirror_of,
            )
        )
    return chunks


def gathering(wanted: int = 1) -> EpisodePairs:
    pairs = EpisodePairs(wanted)
    pairs.gathers = True
    return pairs


def gathered(*chunks: TrajectoryChunk, session: int = 1) -> list[Pair]:
    pairs = gathering()
    for chunk in chunks:
        pairs.add(session, chunk)
    return pairs.take()


def test_a_pair_holds_both_episodes_step_by_step() -> None:
    (pair,) = gathered(*episode(7, list(range(6))), *episode(8, list(range(10, 16)), mirror_of=7))
    assert pair.length == 6
    assert pair.observation["observation"].tolist() == [[[number, step] for step in range(6)] for number in (7, 8)]
    assert pair.action[:, :, 0].tolist() == [pytest.approx([0.07] * 6), pytest.approx([0.08] * 6)]
    assert pair.reward.tolist() == [list(range(6)), list(range(10, 16))]
    assert not pair.terminated


def test_chunks_of_many_sessions_and_episodes_interleave() -> None:
    pairs = gathering(wanted=4)
    streams = [
        (session, [*episode(1, [session] * 9), *episode(2, [-session] * 9, mirror_of=1), *episode(3, [0.0] * 9)])
        for session in range(1, 5)
    ]
    # Two environments of one session, too.
    for turn in range(9):
        for session, chunks in streams:
            pairs.add(session, chunks[turn])
    taken = pairs.take()
    assert sorted(pair.reward[0, 0] for pair in taken) == [1, 2, 3, 4]
    assert all((pair.reward[0] == -pair.reward[1]).all() for pair in taken)


def test_a_terminated_episode_earns_nothing_while_its_image_goes_on() -> None:
    (pair,) = gathered(*episode(1, [1.0] * 3, ending=Ending.TERMINATED), *episode(2, [1.0] * 7, mirror_of=1))
    assert (pair.length, pair.terminated) == (3, True)
    assert pair.reward.tolist() == [[1, 1, 1, 0, 0, 0, 0], [1] * 7]
    advantage = pair_advantages(pair, discount=1.0, termination_discount=0.5, tail_steps=2)
    assert advantage.tolist() == [[-0.5, -1, -2], [0.5, 1, 2]]


def test_a_pair_cut_off_by_time_loses_its_tail() -> None:
    (pair,) = gathered(*episode(1, [3.0] * 8), *episode(2, [1.0] * 6, mirror_of=1))
    assert pair.reward.shape == (2, 6)
    advantage = pair_advantages(pair, discount=0.5, termination_discount=0.9, tail_steps=4)
    assert advantage[0].tolist() == pytest.approx([2 * (1 - 0.5**6), 2 * (1 - 0.5**5)])
    assert (advantage[1] == -advantage[0]).all()
    assert pair_advantages(pair, discount=0.5, termination_discount=0.9, tail_steps=9).shape == (2, 0)


def test_an_episode_that_ends_with_its_image_by_termination_keeps_its_tail() -> None:
    (pair,) = gathered(*episode(1, [1.0] * 5), *episode(2, [2.0] * 5, mirror_of=1, ending=Ending.TERMINATED))
    assert pair.terminated
    advantage = pair_advantages(pair, discount=0.9, termination_discount=0.9, tail_steps=4)
    # With one discount for all it is the plain sum.
    assert advantage[0].tolist() == pytest.approx(
        [-0.5 * sum(0.9**later for later in range(left)) for left in (5, 4, 3, 2, 1)]
    )


def test_a_pair_reaches_as_far_as_one_version_drove_both() -> None:
    first, second = episode(1, [1.0] * 12), episode(2, [1.0] * 12, mirror_of=1, newer_from=8)
    (pair,) = gathered(*first, *second)
    assert pair.length == 8
    assert gathered(*episode(1, [1.0] * 8), *episode(2, [1.0] * 8, mirror_of=1, version=2)) == []


@pytest.mark.parametrize(
    "chunks",
    [
        [*episode(1, [1.0] * 8), *episode(2, [1.0] * 8)],
        episode(2, [1.0] * 8, mirror_of=1),
        [*episode(1, [1.0] * 8)[:1], *episode(2, [1.0] * 8, mirror_of=1)],
        [*episode(1, [1.0] * 8)[1:], *episode(2, [1.0] * 8, mirror_of=1)],
        [episode(1, [1.0] * 12)[0], episode(1, [1.0] * 12)[2], *episode(2, [1.0] * 8, mirror_of=1)],
        [*episode(1, [1.0] * 8, ending=Ending.ABORTED), *episode(2, [1.0] * 8, mirror_of=1)],
        [*episode(1, [1.0] * 8), *episode(2, [1.0] * 8, mirror_of=1, ending=Ending.ABORTED)],
    ],
    ids=["no mirror", "no first", "first unfinished", "first without beginning", "gap", "first aborted", "aborted"],
)
def test_what_is_no_pair_gives_none(chunks: list[TrajectoryChunk]) -> None:
    assert gathered(*chunks) == []


def test_nothing_is_gathered_before_pairs_are_wanted() -> None:
    pairs = EpisodePairs(1)
    for chunk in [*episode(1, [1.0] * 4), *episode(2, [1.0] * 4, mirror_of=1)]:
        pairs.add(1, chunk)
    assert not pairs.ready
    assert pairs.take() == []


def test_the_newest_pairs_count() -> None:
    pairs = gathering(wanted=2)
    for number in range(1, 21, 2):
        assert pairs.ready == (number > 3)
        for chunk in [*episode(number, [float(number)] * 4), *episode(number + 1, [0.0] * 4, mirror_of=number)]:
            pairs.add(1, chunk)
    kept = [pair.reward[0, 0] for pair in pairs.take()]
    assert kept == [9, 11, 13, 15, 17, 19]
    assert not pairs.ready


def test_episodes_that_nothing_mirrors_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_pairs, "MOST_STEPS_KEPT", 40)
    pairs = gathering()
    for number in range(1, 100):
        for chunk in episode(number, [1.0] * 8):
            pairs.add(1, chunk)
    assert len(pairs._episodes) <= 5
    for chunk in episode(200, [1.0] * 8, mirror_of=99):
        pairs.add(1, chunk)
    assert len(pairs.take()) == 1
