"""The state of a run as a checkpoint keeps it, and a run taken up from one."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format

from distrib_l2r.policy import PolicyVersion
from learner_service.checkpoint import Checkpoint, copy_state

if TYPE_CHECKING:
    from learner_service.run import Run

_logger = logging.getLogger(__name__)

OTHER_ALGORITHM: Final = "it is of another algorithm or of other spaces"


def run_state(run: "Run") -> dict[str, Any]:
    """Everything that training needs to go on as if never stopped, at one instant.

    Called where no update runs: on the trainer's thread, or after its end. Replay and the sessions' sequences are kept
    elsewhere, with each chunk; what a checkpoint says of them tells a reader where it belongs.
    """
    training = run.training
    assert training is not None, "there is nothing to keep before training begins"
    best = run.best_policy
    return {
        # A copy, whatever the algorithm gives: training goes on beside the writing.
        "policy": copy_state(training.policy.state_dict()),
        "sampler": training.sampler.state_dict(),
        "samples_per_insert": training.limiter.state_dict(),
        "updates": training.trainer.updates,
        "policy_version": training.store.newest_version,
        "replay": {"written": training.ring.written, "inserted": training.ring.inserted},
        "committed_sequences": {
            session.session_id: session.committed_sequence for session in list(run.sessions.values())
        },
        "evaluations": run.evaluations.state_dict(),
        "best_policy": None
        if best is None
        else {
            "version": best[0].version,
            "training_step": best[0].training_step,
            "graph_fingerprint": best[0].graph_fingerprint,
            "weights": dict(best[0].weights),
        },
        "training_seconds": run.training_seconds,
        "staleness": dict(run.staleness),
    }


def about_run(run: "Run") -> dict[str, Any]:
    """Facts for whoever looks into a checkpoint."""
    training = run.training
    assert training is not None, "there is nothing to keep before training begins"
    return {
        "run_id": run.run_id,
        "updates": training.trainer.updates,
        "policy_version": training.store.newest_version,
        "transitions": training.ring.inserted,
        "environment": json_format.MessageToDict(run.environment),
        "settings": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in (asdict(run.config.sac) | asdict(run.config.mirrored)).items()
        },
    }


def take_up(run: "Run", checkpoint: Checkpoint) -> None:
    """Goes on from a checkpoint; training must have been built and not begun.

    Raises:
        ValueError: the checkpoint is of other settings or another algorithm.
    """
    training = run.training
    assert training is not None, "whoever calls has built it"
    state: Mapping[str, Any] = checkpoint.state
    here = about_run(run)
    differences = _differences(checkpoint.about["settings"], here["settings"])
    if checkpoint.about["environment"] != here["environment"]:
        raise ValueError(
            f"checkpoint {checkpoint.path} is of another environment, {checkpoint.about['environment']}, "
            f"and this one is {here['environment']}: "
            "give the --env and --env-args that it was made with, or another --run-dir"
        )
    try:
        training.policy.load_state_dict(state["policy"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"checkpoint {checkpoint.path} does not fit this learner ({differences or OTHER_ALGORITHM}): give the "
            f"settings that it was made with, or another --run-dir"
        ) from error
    if differences:
        _logger.warning("going on from checkpoint %s with other settings: %s", checkpoint.path, differences)
    training.sampler.load_state_dict(state["sampler"])
    training.limiter.load_state_dict(_balance(state["samples_per_insert"], training.ring.inserted))
    training.trainer.updates = state["updates"]
    run.evaluations.load_state_dict(state["evaluations"])
    run.training_seconds_before = state["training_seconds"]
    run.staleness.update(state["staleness"])
    best = state["best_policy"]
    if best is not None and run.evaluations.best is not None:
        run.best_policy = (PolicyVersion(**best), run.evaluations.best)


def _balance(kept: Mapping[str, int], inserted: int) -> dict[str, int]:
    """The counts of samples per insert, where replay holds `inserted` transitions rather than those it held then.

    More of them came after the checkpoint: the trainer owes them its updates. Fewer are there when replay was lost: its
    updates went with them, in proportion.
    """
    updates = kept["updates"]
    if inserted < kept["inserted"]:
        updates = updates * inserted // kept["inserted"]
    return {"inserted": inserted, "updates": updates}


def _differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    differing = [
        f"{name} was {kept.get(name)} and is {now.get(name)}"
        for name in sorted({**kept, **now})
        if kept.get(name) != now.get(name)
    ]
    return ", ".join(differing)
