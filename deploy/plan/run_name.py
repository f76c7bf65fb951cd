"""Names of runs and of what belongs to them."""

import hashlib
import re
from typing import Final

from deploy.plan.plan_error import PlanError

RUN_LABEL: Final = "distributed-l2r/run"
"""On everything of a run and in every selector."""

PLACE_LABEL: Final = "distributed-l2r/place"
"""Tells the Deployments of a run's workers apart, in every selector of theirs."""

_RUN: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


def check_run(run: str) -> None:
    """Names of Services begin with the run's.

    Raises:
        PlanError: it is too long or has other letters.
    """
    if not _RUN.fullmatch(run):
        raise PlanError(
            f"run is {run!r}; it must be at most 40 small letters, digits and hyphens, a letter first: "
            "give for example --run kestrel"
        )


def place_name(node: str, gpu: int) -> str:
    """A GPU's name, fit for a label and for a Deployment's name: at most 40 letters, different for each GPU."""
    slug = re.sub(r"[^a-z0-9]+", "-", node.lower()).strip("-")
    if slug != node or len(slug) > 30:
        slug = f"{slug[:21].rstrip('-')}-{hashlib.sha256(node.encode()).hexdigest()[:8]}".strip("-")
    return f"{slug}-gpu{gpu}"
