"""A learner service reduced to the push stream, for what a real learner does at its end only."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc

from distrib_l2r.limits import CHANNEL_OPTIONS
from distrib_l2r.policy import PolicyGraph, PolicyVersion, encode_graph, encode_version
from distrib_l2r.spaces import encode_spaces
from distrib_l2r.v1 import join_pb2, status_pb2
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from tests.fakes import SPACES
