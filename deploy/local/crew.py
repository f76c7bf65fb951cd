"""The crew: a job's workers, restarted when they die, given up when they keep dying."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from deploy.local.child import Child, stop

EARLY_DEATH_SECONDS: Final = 30.0
"""A worker that dies younger than this has hardly worked: starting it again may not help."""

MAX_EARLY_DEATHS: Final = 3
"""So many early deaths of one worker in a row end the job."""

RESTART_DELAYS_SECONDS: Final = (0.0, 1.0, 3.0)
"""Wait before a worker's next start, by its early deaths so far."""


@dataclass(eq=False)
class _Post:
    """One place in the crew, whoever fills it now."""

    start: Callable[[], Child]
    child: Child
    early_deaths: int = 0
    restart_at_seconds: float | None = None


@dataclass(eq=False)
class Crew:
    """Workers that are kept running.

    Attributes:
        restarts: workers started again so far.
    """

    starts: Mapping[str, Callable[[], Child]]
    restarts: int = 0
    _posts: list[_Post] = field(default_factory=list)

    def start(self) -> None:
        """Starts every worker."""
        for start in self.starts.values():
            self._posts.append(_Post(start, start()))

    def watch(self) -> None:
        """Starts dead workers again; call it about every second.

        Raises:
            JobError: a worker died early too often in a row.
        """
        now = time.monotonic()
        for post in self._posts:
            if post.restart_at_seconds is not None:
                if now >= post.restart_at_seconds:
                    post.child, post.restart_at_seconds = post.start(), None
                    self.restarts += 1
            elif post.child.exit_status is not None:
                early = post.child.age_seconds < EARLY_DEATH_SECONDS
                post.early_deaths = post.early_deaths + 1 if early else 0
                if post.early_deaths >= MAX_EARLY_DEATHS:
                    raise post.child.post_mortem(
                        f"it died {post.early_deaths} times within {EARLY_DEATH_SECONDS:g} s of its start"
                    )
                post.restart_at_seconds = now + RESTART_DELAYS_SECONDS[post.early_deaths]

    @property
    def alive(self) -> list[Child]:
        """Workers that run now."""
        return [post.child for post in self._posts if post.child.exit_status is None]

    def stop(self, grace_seconds: float) -> list[Child]:
        """Ends every worker within the time, the rest by a kill; returns the killed."""
        return stop(self.alive, grace_seconds)
