"""A whole farm on one machine, under one supervisor: what `jobrunner up` is made of."""
