"""Evaluation of saved policies: laps, statistics, pictures."""
