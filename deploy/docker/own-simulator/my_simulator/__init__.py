"""An example of a simulator of one's own: any Gymnasium environment with Box spaces, registered under an id."""

import gymnasium

gymnasium.register(
    id="DoubleIntegrator-v0", entry_point="my_simulator.double_integrator:DoubleIntegrator", max_episode_steps=200
)
