"""What is followed live: connections that are taken over from gunicorn, each served by a coroutine (see server.py)."""
