"""The reward, with the racetrack's weights."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reward:
    """Weights of the reward; the sum of the terms is a step's reward."""

    progress_per_metre: float = 0.1
    """For every metre along the centre line, on the track."""
    steer_change: float = 0.05
    """Subtracted times the squared change of the steer action."""
    failure: float = 1.0
    """Subtracted when the episode ends by leaving the track, spinning, stalling or damage."""
    off_track_per_metre_per_second: float = 0.1
    """Subtracted on leaving the track, times the speed."""

    def of(self, *, progress_metres: float, steer_change: float, speed: float, off_track: bool, failed: bool) -> float:
        """A step's reward.

        Args:
            progress_metres: of the step along the centre line.
            steer_change: of the steer action since the step before.
            speed: of the car [m/s].
            off_track: whether it has left the track, which pays no progress.
            failed: whether the episode ends for what the car did, off the track included.
        """
        reward = -self.steer_change * steer_change**2
        if off_track:
            reward -= self.off_track_per_metre_per_second * speed
        else:
            reward += self.progress_per_metre * progress_metres
        return reward - self.failure * failed
