"""What training tells of itself."""

from collections.abc import Mapping

import torch
from torch import Tensor

from learner_service.sac.values import Values


def figures(newest: Mapping[str, Tensor], temperature: Tensor, values: Values, return_scale: float) -> dict[str, float]:
    """Newest figures; those of the first actor update are there from that update on.

    Args:
        newest: what updates left, by name.
        temperature: float32 [].
        values: of the critics.
        return_scale: reward that counts as 1 in the critics.

    Returns:
        critic_loss: summed over both critics; its unit depends on the kind of critic.
        critic_gradient_norm, actor_gradient_norm: Euclidean, before clipping.
        encoder_gradient_norm: the encoder's share in the critics'; where there are images.
        mean_value: of the batch's actions, by the first critic, in units of reward.
        actor_loss: temperature * log-probability - value, in units of the return scale.
        entropy: of the policy in nats, in actions scaled to [-1, 1].
        temperature: reward, in units of the return scale, that one nat of entropy is worth.
        return_scale: reward that counts as 1 in the critics.
    """
    told = {"temperature": temperature}
    if "outputs" in newest:
        outputs = newest["outputs"]
        told["critic_loss"] = values.loss(outputs, newest["target"])
        told["critic_gradient_norm"] = newest["critic_gradient_norm"]
        told["mean_value"] = values.mean(outputs)[0].mean() * return_scale
    if "encoder_gradient_norm" in newest:
        told["encoder_gradient_norm"] = newest["encoder_gradient_norm"]
    if "value" in newest:
        log_probability = newest["log_probability"].mean()
        told["actor_loss"] = newest["temperature_then"] * log_probability - newest["value"].mean()
        told["actor_gradient_norm"] = newest["actor_gradient_norm"]
        told["entropy"] = -log_probability
    # One transfer from the device for all of them.
    numbers = torch.stack(list(told.values())).tolist()
    return dict(zip(told, numbers, strict=True)) | {"return_scale": return_scale}
