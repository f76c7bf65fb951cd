"""Answers whether a service is well: what health checks and probes run inside its container."""
