"""What the learners of these tests are like, and how their refusals read."""

import dataclasses

import grpc
import pytest

from learner_service import LearnerConfig
from learner_service.config import FlowConfig, TransportConfig

CONFIG = LearnerConfig(
    transport=TransportConfig(port=0),
    flow=FlowConfig(min_transitions=32, replay_capacity=4096, samples_per_insert_min=0.0, publish_period_seconds=0.05),
    evaluation_episodes=1,
)

THROTTLING = dataclasses.replace(
    CONFIG, flow=dataclasses.replace(CONFIG.flow, samples_per_insert_min=64.0, samples_per_insert_max=128.0)
)
"""A learner that lets workers wait while its trainer stands still."""


def refusal(call: "pytest.ExceptionInfo[grpc.RpcError]") -> tuple[grpc.StatusCode, str]:
    return call.value.code(), call.value.details() or ""
