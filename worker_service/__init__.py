"""The worker: drives a simulator with the newest policy and streams what happened to the learner."""

from worker_service.config import WorkerConfig
from worker_service.worker import AsyncWorker

__all__ = ["AsyncWorker", "WorkerConfig"]
