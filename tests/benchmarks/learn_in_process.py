"""Learning without the network: environments, replay and SAC in one process, to tune settings by CPU seconds.

    python -m tests.benchmarks.learn_in_process --env Pendulum-v1 --sac.batch-size 128
    python -m tests.benchmarks.learn_in_process --seconds 480 --evaluation-args start=standing laps=2

Prints a line every few seconds and a line of JSON at the end. Time is the learner's: CPU seconds spent on updates,
sampling, acting and stepping, without evaluation, which the system leaves to another process. Racing figures (laps,
their times, and `lap_ratio`, the lap time over the track's optimum, nan where that is not known) are those of the
deterministic evaluation.
"""

import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
import tyro

from distrib_l2r.tensor import Array
from learner_service.config import ExplorationConfig, parse_arguments
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.sac.config import SACConfig
from learner_service.sac.sac import SAC
from tests.benchmarks.collector import Collector
from worker_service.columns import observation_columns
from worker_service.environment import environment_spaces, make_environment
from worker_service.exploration import HeldNoise

CALIBRATION_PERIOD_UPDATES = 250
CALIBRATION_ROWS = 1024
CALIBRATION_HORIZON_STEPS = 400


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Each field is a flag."""

    env: str = "Racetrack-v0"
    """A Gymnasium id."""
    env_args: tuple[str, ...] = ()
    """Keyword arguments of the environment, each name=value."""
    evaluation_args: tuple[str, ...] = ()
    """Keyword arguments of the environment that evaluates."""
    environments: int = 16
    """Stepped together."""
    samples_per_insert: float = 16.0
    """Transitions sampled for each new one."""
    replay_capacity: int = 1_000_000
    """Rows of replay."""
    min_transitions: int = 2_000
    """Before the first update."""
    scales: tuple[float, ...] = ExplorationConfig().scales
    """Exploration scales; environment i takes rung i modulo the ladder's length."""
    hold_steps: tuple[int, ...] = ExplorationConfig().hold_steps
    """Steps for which one draw of noise is held, likewise."""
    chunk_length: int = 64
    """Steps a chunk."""
    publish_period_seconds: float = 0.0
    """Age that the weights acted with may reach, as workers' do."""
    seconds: float = 120.0
    """Learner's seconds after which to stop."""
    max_steps: int = 0
    """Environment steps after which to stop; 0: no limit."""
    max_updates: int = 0
    """Updates after which to stop; 0: no limit."""
    stop_at_return: float = float("inf")
    """Mean evaluation return at which to stop."""
    evaluation_period_seconds: float = 10.0
    """Learner's seconds between evaluations."""
    evaluation_period_updates: int = 0
    """Updates between evaluations, in place of seconds; 0: seconds count."""
    evaluation_episodes: int = 1
    """Episodes an evaluation."""
    seed: int = 0
    """Of everything."""
    sac: SACConfig = field(default_factory=SACConfig)


class Learning:
    """The loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        arguments = parse_arguments(settings.env_args)
        environments = [make_environment(settings.env, arguments) for _ in range(settings.environments)]
        self.spaces = environment_spaces(environments[0])
        self.evaluator = make_environment(settings.env, {**arguments, **parse_arguments(settings.evaluation_args)})
        self.sac = SAC(self.spaces, settings.sac, seed=settings.seed)
        self.ring = ReplayRing(self.spaces, capacity=settings.replay_capacity)
        self.sampler = Sampler(self.ring, self.sac.sampling, seed=settings.seed)
        self.collectors = [
            Collector(
                environment,
                self.spaces,
                HeldNoise(
                    self.sac.actor.action_size,
                    scale=settings.scales[i % len(settings.scales)],
                    hold_steps=settings.hold_steps[i % len(settings.hold_steps)],
                    seed=settings.seed * 1000 + i,
                ),
                i,
                settings.seed * 1000 + i,
            )
            for i, environment in enumerate(environments)
        ]
        self.acting = SAC(self.spaces, settings.sac, seed=settings.seed).actor
        self.published_at = 0.0
        self.steps = self.updates = 0
        self.update_seconds = 0.0
        self.evaluation_seconds = 0.0
        self.best_lap: dict[str, float] = {}
        self.history: list[dict[str, float]] = []
        self._begun_wall = time.monotonic()
        self._begun_cpu = time.process_time()

    @property
    def seconds(self) -> float:
        """The learner's CPU seconds."""
        return time.process_time() - self._begun_cpu - self.evaluation_seconds

    def run(self) -> dict[str, Any]:
        """Learns; returns what came of it."""
        settings = self.settings
        evaluate_at = 0.0
        result: dict[str, float] = {}
        while not self._over():
            self._collect()
            self._learn()
            if self.updates and self._effort >= evaluate_at:
                result = self._evaluate()
                evaluate_at = self._effort + (settings.evaluation_period_updates or settings.evaluation_period_seconds)
                if result["return"] >= settings.stop_at_return:
                    break
        return {
            "result": result,
            "best_lap": self.best_lap,
            "seconds": self.seconds,
            "wall_seconds": time.monotonic() - self._begun_wall,
            "steps": self.steps,
            "updates": self.updates,
            "updates_per_second": self.updates / max(self.update_seconds, 1e-9),
            "settings": asdict(settings),
            "history": self.history,
        }

    @property
    def _effort(self) -> float:
        """What evaluations are spaced by: updates or seconds."""
        return self.updates if self.settings.evaluation_period_updates else self.seconds

    def _over(self) -> bool:
        settings = self.settings
        return (
            self.seconds >= settings.seconds
            or 0 < settings.max_steps <= self.steps
            or 0 < settings.max_updates <= self.updates
        )

    @torch.no_grad()
    def _act(self, observations: list[Any], noise: Array) -> Array:
        observation = {
            name: torch.from_numpy(np.stack([row[name] for row in observations]).astype(box.dtype))
            for name, box in self.spaces.observation.items()
        }
        action: Array = self.acting(observation, torch.from_numpy(noise)).numpy()
        return action

    def _collect(self) -> None:
        if self.seconds - self.published_at >= self.settings.publish_period_seconds:
            self.acting.load_state_dict(self.sac.actor.state_dict())
            self.published_at = self.seconds
        for collector in self.collectors:
            collector.noise.advance()
        noise = np.stack([collector.noise.values for collector in self.collectors])
        actions = self._act([collector.observation for collector in self.collectors], noise)
        for collector, action in zip(self.collectors, actions, strict=True):
            chunk = collector.step(action, self.settings.chunk_length)
            if chunk is not None:
                self.ring.add(collector.number, chunk)
        self.steps += len(self.collectors)

    def _learn(self) -> None:
        inserted, settings = self.ring.inserted, self.settings
        begun = time.process_time()
        while (
            inserted >= settings.min_transitions
            and self.updates * settings.sac.batch_size
            < (inserted - settings.min_transitions + 1) * settings.samples_per_insert
        ):
            if self.updates % CALIBRATION_PERIOD_UPDATES == 0:
                self.sac.calibrate(*self.sampler.discounted_returns(CALIBRATION_ROWS, CALIBRATION_HORIZON_STEPS))
            self.sac.update(self.sampler.sample())
            self.updates += 1
            if self.updates % 64 == 0:
                break
        self.update_seconds += time.process_time() - begun

    def _evaluate(self) -> dict[str, float]:
        begun = time.process_time()
        returns: list[float] = []
        laps: list[dict[str, Any]] = []
        metrics: dict[str, float] = {}
        silence = np.zeros((1, self.sac.actor.action_size), np.float32)
        self.acting.load_state_dict(self.sac.actor.state_dict())
        for episode in range(self.settings.evaluation_episodes):
            observation, _ = self.evaluator.reset(seed=10_000 + episode)
            total, over = 0.0, False
            while not over:
                action = self._act([observation_columns(observation)], silence)[0]
                observation, reward, terminated, truncated, info = self.evaluator.step(action)
                total += float(reward)
                over = terminated or truncated
                if "lap" in info:
                    laps.append(info["lap"])
                metrics = info.get("metrics", metrics)
            returns.append(total)
        result = {"return": statistics.mean(returns)}
        self.evaluation_seconds += time.process_time() - begun
        text = ""
        if laps:
            best = min(laps, key=lambda lap: lap["time_seconds"])
            result |= {
                "laps": len(laps),
                "lap_seconds": best["time_seconds"],
                "lap_ratio": best.get("lap_ratio", float("nan")),
                "median_lap_ratio": statistics.median(lap.get("lap_ratio", float("nan")) for lap in laps),
            }
            if best["time_seconds"] < self.best_lap.get("lap_seconds", float("inf")):
                self.best_lap = {"lap_seconds": best["time_seconds"], "lap_ratio": best.get("lap_ratio", float("nan"))}
                self.best_lap["at_seconds"] = self.seconds
            times = " ".join(f"{lap['time_seconds']:.2f}" for lap in laps)
            text = f"laps {times} best {self.best_lap['lap_ratio']:.3f} "
        result |= {name: value for name, value in metrics.items() if name == "distance_metres"}
        figures = " ".join(f"{name} {value:.3g}" for name, value in self.sac.metrics().items())
        rate = self.updates / max(self.update_seconds, 1e-9)
        print(
            f"{self.seconds:6.0f} s {time.monotonic() - self._begun_wall:6.0f} s wall {self.steps:8d} steps "
            f"{self.updates:7d} updates {rate:5.0f}/s return {result['return']:8.1f} {text}| "
            f"distance {result.get('distance_metres', 0):.0f} {figures}",
            flush=True,
        )
        self.history.append({"seconds": self.seconds, "steps": self.steps, "updates": self.updates, **result})
        return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(Learning(tyro.cli(Settings)).run()))
