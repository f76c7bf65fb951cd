import pytest

from learner_service.sac.config import SACConfig
from tests.benchmarks.learn_in_process import Learning, Settings


@pytest.mark.slow
def test_pendulum_is_balanced_within_12000_steps() -> None:
    settings = Settings(
        env="Pendulum-v1",
        environments=4,
        samples_per_insert=64,
        max_steps=12_000,
        seconds=250,
        stop_at_return=-200,
        evaluation_episodes=20,
        evaluation_period_seconds=4,
        sac=SACConfig(actor_hidden_sizes=(64, 64), critic_hidden_sizes=(64, 64), batch_size=64, device="cpu"),
    )
    assert Learning(settings).run()["result"]["return"] >= -200
