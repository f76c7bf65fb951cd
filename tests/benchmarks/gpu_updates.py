"""Updates on a GPU: captured graphs over replay on the device, against the same algorithm written plainly there."""

import time
from collections.abc import Callable, Iterator, Mapping

import torch

from learner_service.replay.device_ring import DeviceRing
from learner_service.sac.captured_updates import CapturedUpdates
from learner_service.sac.config import SACConfig
from learner_service.sac.sac import SAC
from tests.benchmarks.comparison import Comparison, Skipped
from tests.benchmarks.full_ring import SPACES, WIDTH, full_ring
from tests.benchmarks.plain_sac import PlainSAC, Transitions

NAMES = {"plain": "updates_gpu_vs_cleanrl", "categorical": "updates_gpu_categorical"}


def compare_on_gpu(
    configurations: Mapping[str, SACConfig], *, plain_rows: int, hidden: int, seconds: float, rounds: int
) -> Iterator[Comparison | Skipped]:
    """A row of updates a second, by the wall clock, for each configuration by its name, all of one batch size.

    Args:
        configurations: "plain" and "categorical"; on a CUDA device.
        plain_rows: of the baseline's replay.
        hidden: units of the baseline's layers.
        seconds: of a block, about.
        rounds: blocks of each side.
    """
    if not torch.cuda.is_available():
        for name in configurations:
            yield Skipped(name=NAMES[name], reason="no CUDA device here; run it where there is one")
        return
    actions = SPACES.action.shape[0]
    (batch_size,) = {config.batch_size for config in configurations.values()}
    transitions = Transitions(plain_rows, WIDTH, actions, batch_size, "cuda")
    baseline = PlainSAC(WIDTH, actions, hidden, device="cuda")

    def update() -> int:
        baseline.update(transitions.sample())
        return 1

    sides: dict[str, Callable[[], int]] = {"cleanrl": update}
    ring = full_ring()
    for name, config in configurations.items():
        policy = SAC(SPACES, config)
        sides[name] = CapturedUpdates(policy, DeviceRing(ring, policy.sampling, policy.device)).run
    for side in sides.values():
        _rate(side, seconds)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            rates[name].append(_rate(side, seconds))
    for name in configurations:
        yield Comparison(
            name=NAMES[name],
            unit="updates/s",
            values=rates[name],
            baselines=rates["cleanrl"],
            demand=">= 15, and 3,000 updates/s on an H100" if name == "plain" else "",
            details={"gpu": torch.cuda.get_device_name(), "batch_size": batch_size},
        )


def _rate(side: Callable[[], int], seconds: float) -> float:
    torch.cuda.synchronize()
    started, made = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        # Launches run ahead of the device: waiting now and then keeps the block about as long as it should be.
        for _ in range(20):
            made += side()
        torch.cuda.synchronize()
    return made / (time.monotonic() - started)
