"""The matrix products of one SAC update and nothing else: its floor."""

from itertools import pairwise

import torch
from torch import Tensor

from learner_service.sac.gradients import NARROW

CRITICS = 2


class MatrixProducts:
    """Products of random matrices in the shapes of an update, into memory that is there already.

    Args:
        batch_size: rows.
        width: of observations.
        actions: action dimensions.
        hidden: units of both hidden layers.
        outputs: of a critic.
    """

    def __init__(self, batch_size: int, width: int, actions: int, hidden: int, outputs: int = 1) -> None:
        self._batch_size = batch_size
        self._products: list[tuple[Tensor, Tensor, Tensor]] = []
        actor = (width, hidden, hidden, 2 * actions)
        critic = (width + actions, hidden, hidden, outputs)
        # The target: the actor, then the target critics. The critics: forward, gradients of weights and of inputs.
        # The actor: it and the critics forward, the critics' inputs backward down to the action, the actor backward.
        self._forward(actor)
        self._forward(critic, CRITICS)
        self._forward(critic, CRITICS)
        self._backward(critic, CRITICS)
        self._forward(actor)
        self._forward(critic, CRITICS)
        self._input_gradients(critic, CRITICS)
        self._product((CRITICS, batch_size, hidden), (CRITICS, hidden, actions))
        self._backward(actor)

    def run(self) -> None:
        """All of them once."""
        for left, right, out in self._products:
            torch.matmul(left, right, out=out)

    def _forward(self, sizes: tuple[int, ...], stack: int = 1) -> None:
        for inputs, outputs in pairwise(sizes):
            self._product((stack, self._batch_size, inputs), (stack, inputs, outputs))

    def _input_gradients(self, sizes: tuple[int, ...], stack: int = 1) -> None:
        for inputs, outputs in list(pairwise(sizes))[1:]:
            self._product((stack, self._batch_size, outputs), (stack, outputs, inputs))

    def _backward(self, sizes: tuple[int, ...], stack: int = 1) -> None:
        for inputs, outputs in pairwise(sizes):
            self._product((stack, inputs, self._batch_size), (stack, self._batch_size, outputs))
        self._input_gradients(sizes, stack)

    def _product(self, left: tuple[int, int, int], right: tuple[int, int, int]) -> None:
        # One network's products need no batched call.
        shapes = (left, right, (*left[:2], right[2]))
        a, b, out = (torch.rand(shape if shape[0] > 1 else shape[1:]) for shape in shapes)
        # The transposes of narrow products take less.
        if right[2] < NARROW:
            a, b, out = b.mT, a.mT, out.mT.contiguous()
        self._products.append((a, b, out))
