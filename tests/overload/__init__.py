"""More than a farm can take, and services that are slow, hang or are full: real processes, real services."""
