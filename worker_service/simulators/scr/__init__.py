"""TORCS, and any server of the protocol of the Simulated Car Racing championship, as the environment `Torcs-v0`."""
