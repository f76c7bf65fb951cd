"""Simulators that come with the worker, registered with Gymnasium; each is imported only when it is made."""

import gymnasium

# They check their own use, so `make` returns them without wrappers: they would cost as much as a step.
gymnasium.register(
    id="Racetrack-v0",
    entry_point="worker_service.simulators.racetrack.environment:Racetrack",
    order_enforce=False,
    disable_env_checker=True,
)
gymnasium.register(
    id="LearnToRace-v0",
    entry_point="worker_service.simulators.l2r.environment:LearnToRace",
    order_enforce=False,
    disable_env_checker=True,
)
gymnasium.register(
    id="Torcs-v0",
    entry_point="worker_service.simulators.scr.environment:Torcs",
    order_enforce=False,
    disable_env_checker=True,
)
gymnasium.register(
    id="CarRacingCamera-v0",
    entry_point="worker_service.simulators.car_racing:CarRacingCamera",
    order_enforce=False,
    disable_env_checker=True,
)
