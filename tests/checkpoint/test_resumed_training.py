"""A run that went over disk is the run that was never interrupted, bit for bit."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from learner_service.checkpoint import CheckpointDirectory
from learner_service.sac import SAC
from tests.checkpoint.fixed_replay_training import FixedReplayTraining
from tests.checkpoint.states import assert_same
from tests.sac.builders import plain_spaces, random_batch, small_config

UPDATES = 255
"""Before and after the break: odd, so that the actor's turn is not the break's, and calibrations fall on both sides."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    # As in the process that goes on: sums depend on how they are split.
    torch.set_num_threads(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["categorical", "quantile", "mean_squared", "images"])
def test_another_process_goes_on_bit_for_bit(tmp_path: Path, kind: str) -> None:
    unbroken = FixedReplayTraining(kind, seed=0)
    unbroken.go_on(UPDATES)
    directory = CheckpointDirectory(tmp_path)
    directory.write(unbroken.state_dict(), {})
    at_the_break = unbroken.everything()
    unbroken.go_on(UPDATES)

    # In this process, in other objects that had been something else before.
    checkpoint = directory.newest()
    assert checkpoint is not None
    other = FixedReplayTraining(kind, seed=7)
    other.go_on(3)
    other.load_state_dict(checkpoint.state)
    assert_same(other.everything(), at_the_break)
    other.go_on(UPDATES)
    assert_same(other.everything(), unbroken.everything())

    command = [sys.executable, "-m", "tests.checkpoint.fixed_replay_training", str(tmp_path), kind, str(UPDATES)]
    subprocess.run(command, check=True, timeout=120)
    resumed = directory.newest()
    assert resumed is not None
    assert resumed.number == 2
    assert_same(resumed.state, unbroken.everything())


def test_a_state_stays_as_it_was_while_the_policy_that_took_it_up_goes_on() -> None:
    spaces = plain_spaces()
    one, other = SAC(spaces, small_config(), seed=0), SAC(spaces, small_config(), seed=1)
    one.update(random_batch(spaces, 8))
    state, same = one.state_dict(), one.state_dict()
    other.load_state_dict(state)
    for seed in range(3):
        other.update(random_batch(spaces, 8, seed))
    assert_same(state, same)
    assert_same(one.state_dict(), same)
