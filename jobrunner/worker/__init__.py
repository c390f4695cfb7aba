"""The RQ worker of a node: one process, a thread a slot, many containers."""
