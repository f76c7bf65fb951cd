"""SAC of stable-baselines3 on the embedded car: one run, one JSON line an evaluation.

    python -m tests.benchmarks.sac_of_stable_baselines3 --preset tuned --seconds 480 --seed 1
    python -m tests.benchmarks.sac_of_stable_baselines3 --preset defaults --clock cpu --set gamma=0.97 n_envs=8

The clock starts with the call of `learn`, after imports, compilation and construction, and stands still while the
deterministic policy is evaluated: evaluations cost this side nothing.
"""

import ast
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import torch
import tyro
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecNormalize

from tests.benchmarks.optimum import optimum_seconds
from worker_service.columns import Environment
from worker_service.environment import make_environment

ENVIRONMENT: Final = "Racetrack-v0"
EVALUATION_ARGUMENTS: Final = {"start": "random", "laps": 3}
EVALUATION_EPISODES: Final = 5
"""What the learner tells its own evaluators."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Arguments of `SAC` and of what surrounds it; as they stand, the library's defaults."""

    n_envs: int = 1
    subprocesses: bool = False
    """SubprocVecEnv rather than DummyVecEnv."""
    torch_threads: int = 0
    """Threads a torch operation; 0: torch's own choice, one a core."""
    normalise: bool = False
    """VecNormalize of observations and rewards."""
    learning_rate: float = 3e-4
    buffer_size: int = 1_000_000
    learning_starts: int = 100
    batch_size: int = 256
    tau: float = 0.005
    gamma: float = 0.99
    train_freq: int = 1
    gradient_steps: int = 1
    n_steps: int = 1
    """Rewards summed before bootstrapping."""
    ent_coef: str = "auto"
    target_update_interval: int = 1
    use_sde: bool = False
    net_arch: tuple[int, ...] = (256, 256)


PRESETS: Final[dict[str, Settings]] = {
    # One thread: with torch's own choice of two, anything else that runs on the cores brings updates to a halt.
    "defaults": Settings(torch_threads=1),
    "tuned": Settings(
        n_envs=32,
        torch_threads=1,
        learning_rate=3e-3,
        learning_starts=2000,
        batch_size=128,
        gamma=0.97,
        gradient_steps=4,
        n_steps=5,
        ent_coef="auto_0.01",
        net_arch=(128, 128),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """One run."""

    preset: Literal["defaults", "tuned"] = "defaults"
    """Settings to begin from."""
    set: tuple[str, ...] = ()
    """Settings to change, each name=value."""
    seconds: float = 480.0
    """By the clock."""
    clock: Literal["wall", "cpu"] = "wall"
    """CPU seconds of this process serve to compare settings on a busy machine."""
    evaluation_period_seconds: float = 1.0
    """By the clock, between two evaluations."""
    stop_at_ratio: float = 0.0
    """Lap ratio that ends the run early."""
    seed: int = 0

    @property
    def settings(self) -> Settings:
        """The preset with its changes."""
        changes: dict[str, Any] = {}
        for text in self.set:
            name, _, value = text.partition("=")
            kind = type(getattr(Settings(), name))
            changes[name] = value if kind is str else kind(ast.literal_eval(value))
        return replace(PRESETS[self.preset], **changes)


class Stopwatch:
    """A clock that can stand still."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._skipped_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Since the start, pauses left out."""
        return self._clock() - self._since - self._skipped_seconds

    def skip(self, call: Callable[[], Any]) -> Any:
        """Calls it while the clock stands still."""
        began = self._clock()
        result = call()
        self._skipped_seconds += self._clock() - began
        return result


def evaluate(model: SAC, environment: Environment, normalise: VecNormalize | None) -> dict[str, Any]:
    """Drives deterministically from the same starts each time; returns the best lap, mean return and completed laps."""
    laps: list[dict[str, Any]] = []
    total = 0.0
    for seed in range(EVALUATION_EPISODES):
        observation, _ = environment.reset(seed=seed)
        over = False
        while not over:
            seen = observation if normalise is None else normalise.normalize_obs(observation)
            action, _ = model.predict(seen, deterministic=True)
            observation, reward, terminated, truncated, info = environment.step(action)
            total += float(reward) / EVALUATION_EPISODES
            over = terminated or truncated
            if "lap" in info:
                laps.append(info["lap"])
    best = min((lap["time_seconds"] for lap in laps), default=None)
    ratio = None if best is None else best / optimum_seconds()
    return {"best_lap_seconds": best, "lap_ratio": ratio, "laps": len(laps), "return": round(total, 2)}


def run(flags: Flags) -> None:
    """Learns and prints."""
    settings = flags.settings
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    evaluator = make_environment(ENVIRONMENT, EVALUATION_ARGUMENTS)
    # Compiles before the clock starts.
    evaluator.reset(seed=0)
    evaluator.step(np.zeros(2, np.float32))
    makers = [lambda: make_environment(ENVIRONMENT)] * settings.n_envs
    environments: Any = SubprocVecEnv(makers) if settings.subprocesses else DummyVecEnv(makers)
    normalise = None
    if settings.normalise:
        environments = normalise = VecNormalize(environments, gamma=settings.gamma)
    model = SAC(
        "MlpPolicy",
        environments,
        learning_rate=settings.learning_rate,
        buffer_size=settings.buffer_size,
        learning_starts=settings.learning_starts,
        batch_size=settings.batch_size,
        tau=settings.tau,
        gamma=settings.gamma,
        train_freq=settings.train_freq,
        gradient_steps=settings.gradient_steps,
        n_steps=settings.n_steps,
        ent_coef=settings.ent_coef,
        target_update_interval=settings.target_update_interval,
        use_sde=settings.use_sde,
        policy_kwargs={"net_arch": list(settings.net_arch)},
        seed=flags.seed,
        device="cpu",
    )
    watch = Stopwatch(time.process_time if flags.clock == "cpu" else time.monotonic)
    evaluate_at = flags.evaluation_period_seconds

    def after_step(_locals: dict[str, Any], _globals: dict[str, Any]) -> bool:
        nonlocal evaluate_at
        seconds = watch.seconds
        if seconds < evaluate_at:
            return True
        evaluate_at = seconds + flags.evaluation_period_seconds
        result = watch.skip(lambda: evaluate(model, evaluator, normalise))
        line = {"seconds": round(seconds, 3), "steps": model.num_timesteps, "updates": model._n_updates}
        print(json.dumps({**line, **result}), flush=True)
        reached = result["lap_ratio"] is not None and result["lap_ratio"] <= flags.stop_at_ratio
        return seconds < flags.seconds and not reached

    print(json.dumps({"settings": asdict(settings), "seed": flags.seed, "clock": flags.clock}), flush=True)
    model.learn(total_timesteps=10**9, callback=after_step)
    environments.close()


if __name__ == "__main__":
    run(tyro.cli(Flags, description=__doc__))
