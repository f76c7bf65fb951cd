"""Settings that cannot work are refused at the start, with the rule."""

import subprocess
import sys

import pytest

from distrib_l2r.environment import decode_arguments
from learner_service.config import EnvironmentConfig, ExplorationConfig, FlowConfig, LearnerConfig, parse_arguments


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"chunk_length": 1}, "chunk_length is 1; it must be at least 2"),
        (
            {"replay_capacity": 2_000},
            "replay_capacity is 2000; it must exceed min_transitions and a chunk, 2000 \\+ 64",
        ),
        ({"samples_per_insert_min": 512.0}, "the minimum must be at least 0 and below the maximum"),
        ({"publish_period_seconds": float("nan")}, "publish_period_seconds is nan"),
    ],
)
def test_flow_settings_that_would_never_train_are_refused(fields: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FlowConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{"scales": ()}, {"scales": (-1.0,)}, {"hold_steps": (0,)}])
def test_an_exploration_ladder_needs_sound_rungs(fields: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="at least"):
        ExplorationConfig(**fields)  # type: ignore[arg-type]


def test_environment_arguments_without_a_name_are_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="'harbour' is not name=value; write for example track="):
        parse_arguments(("harbour",))


def test_racing_cars_are_evaluated_over_flying_laps() -> None:
    arguments = EnvironmentConfig().message().evaluation_arguments
    assert decode_arguments(arguments) == {"start": "random", "laps": 3}
    torcs = EnvironmentConfig(env="worker_service.simulators:Torcs-v0").message().evaluation_arguments
    assert decode_arguments(torcs) == {"start": "random", "laps": 1}
    assert not EnvironmentConfig(env="Pendulum-v1").message().evaluation_arguments


def test_a_version_is_evaluated_over_one_episode_at_least() -> None:
    with pytest.raises(ValueError, match="evaluation_episodes is 0; it must be at least 1"):
        LearnerConfig(evaluation_episodes=0)


def test_a_refused_flag_ends_the_learner_before_it_serves() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "learner_service", "--chunk-length", "1"], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "chunk_length is 1; it must be at least 2" in " ".join((run.stdout + run.stderr).split())
