"""Replay: what is stored, how it is sampled, and how fast."""
