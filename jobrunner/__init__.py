"""jobrunner: runs containers on machines that you own, driven by a REST API."""

__version__ = "0.1.0"
