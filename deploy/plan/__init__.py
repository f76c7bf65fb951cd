"""The planner: from a list of nodes to a kustomize overlay that lays a run onto their GPUs.

`read_nodes` reads the cluster, `place` decides, `picture` shows it, `refusal` says what does not fit, and
`write_overlay` writes it down.
"""
