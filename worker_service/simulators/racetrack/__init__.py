"""A racing car on a closed track, as the Gymnasium environment `Racetrack-v0`."""

from worker_service.simulators.racetrack.car_state import CarState
from worker_service.simulators.racetrack.environment import Racetrack
from worker_service.simulators.racetrack.tracking import Reward
from worker_service.simulators.racetrack.vehicle import Vehicle

__all__ = ["CarState", "Racetrack", "Reward", "Vehicle"]
