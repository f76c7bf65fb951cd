import gymnasium
import numpy as np
import pytest

from learner_service.sac.config import SACConfig
from tests.benchmarks.learn_in_process import Learning, Settings

LEARNT = -11.0
"""Return of a learnt episode: at first it is about -50. Whoever sees the motion reaches -1.2."""


def mean_return_of_pushing(gain: float, damping: float) -> float:
    environment = gymnasium.make("tests.sac.steering:Steering-v0", disable_env_checker=True)
    field, total = environment.unwrapped, 0.0
    for episode in range(20):
        environment.reset(seed=episode)
        over = False
        while not over:
            away = field.ball - field.mark  # type: ignore[attr-defined]
            push = -(gain * away + damping * field.velocity)  # type: ignore[attr-defined]
            _, reward, _, over, _ = environment.step(push.astype(np.float32))
            total += float(reward)
    return total / 20


def test_what_is_asked_of_the_learner_cannot_be_had_without_seeing_motion() -> None:
    assert mean_return_of_pushing(5, 10) > -2
    assert all(mean_return_of_pushing(gain, 0) < LEARNT - 3 for gain in (0.2, 0.5, 1.0, 2.0, 5.0, 20.0))


@pytest.mark.slow
@pytest.mark.parametrize("motion", ["speed=false", "speed=true"], ids=["two frames", "a frame and speed"])
def test_a_ball_is_steered_by_its_picture(motion: str) -> None:
    settings = Settings(
        env="tests.sac.steering:Steering-v0",
        env_args=(motion,),
        environments=8,
        samples_per_insert=16,
        min_transitions=500,
        replay_capacity=60_000,
        max_updates=6_000,
        seconds=200,
        stop_at_return=LEARNT,
        evaluation_episodes=20,
        evaluation_period_updates=250,
        sac=SACConfig(
            encoder_channels=(16, 32), encoder_strides=(2, 2), batch_size=64, n_step=3, discount=0.9, device="cpu"
        ),
    )
    assert Learning(settings).run()["result"]["return"] >= LEARNT
