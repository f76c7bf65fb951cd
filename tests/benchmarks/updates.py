"""Updates a second: SAC against the same algorithm written plainly, stable-baselines3's, and the matrix products alone.

    python -m tests.benchmarks.updates --quick

All have 2 hidden layers of 256 units, two critics, observations of 45 numbers, 2 actions, one step a return, and one
torch thread; an update includes sampling its batch from the side's own replay. `updates_vs_cleanrl_B` is SAC with
mean-squared critics and nothing normalised, at batch B, against `plain_sac`; `updates_categorical/B` is the default
critic with the default settings. Rounds are blocks taken by turns, in CPU time of the thread.
`updates_gpu_*` are the same on a GPU, by the wall clock, graphs against the plain one, operation by operation.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import tyro

from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.sac.config import SACConfig
from learner_service.sac.sac import SAC
from tests.benchmarks.comparison import Comparison, Report, Skipped
from tests.benchmarks.full_ring import SPACES, WIDTH, full_ring
from tests.benchmarks.gpu_updates import compare_on_gpu
from tests.benchmarks.matrix_products import MatrixProducts
from tests.benchmarks.plain_sac import PlainSAC, Transitions

HIDDEN, ACTIONS = 256, 2
PLAIN_ROWS = 200_000
WARM_UP_UPDATES = 20
GPU_BATCH_SIZE, GPU_BLOCK_SECONDS = 256, 0.5
DEMANDS = {256: ">= 1.35", 64: ">= 1.6"}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to update."""

    batch_sizes: tuple[int, ...] = (256, 64)
    updates: int = 60
    """Of a block."""
    rounds: int = 15
    peers: bool = True
    """Compare with stable-baselines3, skipped where it is not installed."""
    quick: bool = False
    """Few rounds, no peers."""
    keep: bool = False
    """Keep the rows in results/."""


def plain_configuration(batch_size: int, device: str = "cpu") -> SACConfig:
    """What `plain_sac` computes."""
    return SACConfig(
        actor_hidden_sizes=(HIDDEN, HIDDEN),
        critic_hidden_sizes=(HIDDEN, HIDDEN),
        activation="relu",
        layer_norm=False,
        critic="mean_squared",
        critic_action_scale=1.0,
        observation_normalisation=False,
        return_normalisation=False,
        batch_size=batch_size,
        n_step=1,
        discount=0.99,
        actor_learning_rate=3e-4,
        critic_learning_rate=1e-3,
        temperature_learning_rate=1e-3,
        learning_rate_decay_updates=0,
        gradient_clip=float("inf"),
        initial_temperature=1.0,
        action_stretch=1.0,
        device=device,
    )


def default_configuration(batch_size: int, device: str = "cpu") -> SACConfig:
    """The defaults, with the same networks and batch."""
    hidden = (HIDDEN, HIDDEN)
    return SACConfig(
        actor_hidden_sizes=hidden, critic_hidden_sizes=hidden, batch_size=batch_size, n_step=1, device=device
    )


CONFIGURATIONS: Mapping[str, Callable[..., SACConfig]] = {
    "plain": plain_configuration,
    "categorical": default_configuration,
}


def stable_baselines3(batch_size: int) -> Callable[[int], object]:
    """So many updates of stable-baselines3's SAC.

    Raises:
        ImportError: it is not installed.
    """
    import gymnasium  # noqa: PLC0415
    from stable_baselines3 import SAC as PeerSAC  # noqa: N811, PLC0415
    from stable_baselines3.common.logger import configure  # noqa: PLC0415

    class Silent(gymnasium.Env[np.ndarray, np.ndarray]):
        observation_space = gymnasium.spaces.Box(-1, 1, (WIDTH,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (ACTIONS,), np.float32)

    model = PeerSAC("MlpPolicy", Silent(), buffer_size=PLAIN_ROWS, batch_size=batch_size, device="cpu")
    model.set_logger(configure(None, []))
    buffer = model.replay_buffer
    assert buffer is not None, "made with the model"
    random = np.random.default_rng(0)
    for column in (buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards):
        random.random(column.shape, np.float32, out=column)
    buffer.full = True
    return lambda count: model.train(gradient_steps=count, batch_size=batch_size)


def candidates(flags: Flags, batch_size: int) -> Iterator[tuple[str, Callable[[int], object]] | Skipped]:
    """Everything that updates, by name: called with how often."""
    ring = full_ring()
    for name, configuration in CONFIGURATIONS.items():
        yield name, _ours(SAC(SPACES, configuration(batch_size)), ring)
    baseline, transitions = PlainSAC(WIDTH, ACTIONS, HIDDEN), Transitions(PLAIN_ROWS, WIDTH, ACTIONS, batch_size)
    yield "cleanrl", _repeated(lambda: baseline.update(transitions.sample()))
    yield "products", _repeated(MatrixProducts(batch_size, WIDTH, ACTIONS, HIDDEN).run)
    if flags.peers:
        try:
            yield "stable_baselines3", stable_baselines3(batch_size)
        except ImportError as error:
            yield Skipped(name=f"updates_stable_baselines3/{batch_size}", reason=f"{error}: pip install it to compare")


def compare(flags: Flags, batch_size: int) -> Iterator[Comparison | Skipped]:
    """Rows of one batch size."""
    sides: dict[str, Callable[[int], object]] = {}
    for entry in candidates(flags, batch_size):
        if isinstance(entry, Skipped):
            yield entry
        else:
            sides[entry[0]] = entry[1]
    for side in sides.values():
        side(WARM_UP_UPDATES)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(flags.rounds):
        for name, side in sides.items():
            started = time.thread_time()
            side(flags.updates)
            rates[name].append(flags.updates / (time.thread_time() - started))
    for name in sides:
        if name != "cleanrl":
            yield Comparison(
                name=f"updates_vs_cleanrl_{batch_size}" if name == "plain" else f"updates_{name}/{batch_size}",
                unit="updates/CPU s",
                values=rates[name],
                baselines=rates["cleanrl"],
                demand=DEMANDS.get(batch_size, "") if name == "plain" else "",
            )


def _ours(policy: SAC, ring: ReplayRing) -> Callable[[int], object]:
    sampler = Sampler(ring, policy.sampling, seed=0)
    return _repeated(lambda: policy.update(sampler.sample()))


def _repeated(call: Callable[[], object]) -> Callable[[int], object]:
    def repeat(count: int) -> None:
        for _ in range(count):
            call()

    return repeat


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=3, updates=20, peers=False)
    torch.set_num_threads(1)
    report = Report("updates", flags)
    for batch_size in flags.batch_sizes:
        report.add(compare(flags, batch_size))
    on_gpu = {name: configuration(GPU_BATCH_SIZE, "cuda") for name, configuration in CONFIGURATIONS.items()}
    report.add(
        compare_on_gpu(on_gpu, plain_rows=PLAIN_ROWS, hidden=HIDDEN, seconds=GPU_BLOCK_SECONDS, rounds=flags.rounds)
    )
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
