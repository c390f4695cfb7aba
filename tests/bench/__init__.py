"""Measurements of a whole farm, each against its budget. Called by scripts/bench."""
