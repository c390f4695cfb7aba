"""Listeners to what the engine announces."""
