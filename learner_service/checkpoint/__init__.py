"""Checkpoints: a state that a later process goes on from, kept on disk so that no crash can leave half of one."""

from learner_service.checkpoint.directory import Checkpoint, CheckpointDirectory, CheckpointError
from learner_service.checkpoint.state_copy import copy_state
from learner_service.checkpoint.writer import CheckpointWriter

__all__ = ["Checkpoint", "CheckpointDirectory", "CheckpointError", "CheckpointWriter", "copy_state"]
