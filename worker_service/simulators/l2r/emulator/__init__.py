"""The four interfaces of the Arrival simulator with the embedded car and its camera behind them.

It lets Learn-to-Race's clients run without the simulator, which is not to be had; the car, the road and the pictures
are this project's own. What it does where the public sources are silent is in `conventions`.
"""
