"""The story of an execution, one verb a file. It speaks to the world through jobrunner.domain.ports only."""
