"""Every setting of soft actor-critic."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SACConfig:
    """Settings of `SAC`.

    Plain SAC is `critic="mean_squared"` without normalisation, layer norm, stretch, scale and decay.
    """

    actor_hidden_sizes: tuple[int, ...] = (128, 128)
    """Units of the actor's hidden layers."""
    critic_hidden_sizes: tuple[int, ...] = (128, 128)
    """Units of each critic's hidden layers."""
    activation: Literal["silu", "relu"] = "silu"
    """After each hidden layer."""
    layer_norm: bool = True
    """Whether hidden layers are normalised before their activation (https://arxiv.org/abs/1607.06450)."""

    image_encoder: bool = True
    """Whether image columns, uint8 [height, width, channels] with sides of at least 32 pixels, go through a
    convolutional encoder as in DrQ-v2 (https://arxiv.org/abs/2107.09645), which wants a GPU; otherwise their pixels are
    numbers like any others."""
    encoder_channels: tuple[int, ...] = (32, 32, 32, 32)
    """Channels of the encoder's convolutions, with kernels of 3 x 3 pixels."""
    encoder_strides: tuple[int, ...] = (2, 1, 1, 1)
    """Their strides. A second stride of 2 takes a quarter of the time, and the weights that travel, at less detail."""
    encoder_features: int = 50
    """Numbers that the actor's and the critics' trunk make of the encoder's output."""
    random_shift_pixels: int = 4
    """Most pixels by which images of updates are shifted at random (DrQ, https://arxiv.org/abs/2004.13649); 0: not."""

    critic: Literal["categorical", "quantile", "mean_squared"] = "categorical"
    """What a critic predicts: a distribution of the value over bins, learned by cross-entropy
    (https://arxiv.org/abs/2403.03950); quantiles of the return (QR-SAC, https://doi.org/10.1038/s41586-021-04357-7);
    or the value alone (SAC, https://arxiv.org/abs/1812.05905)."""
    bins: int = 51
    """Bins of a categorical critic, at least 2."""
    quantiles: int = 32
    """Quantiles of a quantile critic."""
    value_bound: float = 5.0
    """A categorical critic's bins span [-value_bound, value_bound], in units of the return scale."""

    critic_action_scale: float = 5.0
    """Factor on actions, which lie in [-1, 1], on their way into the critics. Near the end of learning actions hardly
    vary: the larger the factor, the sooner critics tell them apart."""

    observation_normalisation: bool = True
    """Whether networks see observations as deviations from their mean over replay."""
    return_normalisation: bool = True
    """Whether rewards are divided by a scale that fits discounted returns into the bins."""

    batch_size: int = 128
    """Transitions an update. On a CPU many small updates learn faster than few large ones; a GPU takes 1024."""
    n_step: int = 5
    """Most rewards summed before bootstrapping."""
    discount: float = 0.97
    """Discount a step; rewards count over about 1 / (1 - discount) steps. The default suits ten decisions a second;
    0.99 suits tasks whose consequences come later."""
    policy_delay: int = 1
    """Critic updates for each update of the actor and the temperature (https://arxiv.org/abs/1802.09477)."""
    target_update_rate: float = 0.005
    """Share of the critic that moves into the target critic each update (Polyak averaging)."""

    actor_learning_rate: float = 1e-3
    """Adam's step size."""
    critic_learning_rate: float = 1e-3
    """Adam's step size."""
    learning_rate_decay_updates: int = 20_000
    """Updates after which the actor's and the critics' step sizes begin to fall, with the square root of the updates,
    and the entropy sought with them; 0: never."""
    temperature_learning_rate: float = 3e-4
    """Adam's step size, in the temperature's logarithm."""
    gradient_clip: float = 10.0
    """Largest Euclidean norm of the actor's and of the critics' gradient; infinity: no limit."""

    initial_temperature: float = 0.01
    """Reward, in units of the return scale, that one nat of entropy is worth at first."""
    target_entropy_scale: float = 1.0
    """Entropy that the temperature aims at: minus this many nats for each action dimension, in actions scaled
    to [-1, 1]."""
    action_stretch: float = 1.15
    """Actions are stretched by this after squashing and cut off at their bounds, at least 1. A squashed mean that still
    leaves room for noise never reaches its bound; stretched, full throttle is full."""

    device: str = "auto"
    """Torch device of the networks; auto: a GPU where there is one."""

    def __post_init__(self) -> None:
        for name in ("bins", "quantiles", "batch_size", "n_step", "policy_delay", "encoder_features"):
            least = 2 if name == "bins" else 1
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        channels, strides = self.encoder_channels, self.encoder_strides
        if not channels or len(channels) != len(strides) or min(*channels, *strides) < 1:
            raise ValueError(
                f"encoder_channels are {channels} and encoder_strides {strides}; each convolution needs both, "
                "at least 1"
            )
        if self.random_shift_pixels < 0:
            raise ValueError(f"random_shift_pixels is {self.random_shift_pixels}; it must be at least 0")
        for name in (
            "value_bound",
            "critic_action_scale",
            "gradient_clip",
            "initial_temperature",
            "target_update_rate",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not self.action_stretch >= 1:
            raise ValueError(f"action_stretch is {self.action_stretch}; it must be at least 1")
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount is {self.discount}; it must lie in [0, 1)")
        if self.target_update_rate > 1:
            raise ValueError(f"target_update_rate is {self.target_update_rate}; it is a share, at most 1")
