"""The connection to Redis: a plain server, a unix socket, TLS, or through Sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from jobrunner.errors import QueueUnavailable, SettingsError
from jobrunner.settings import Settings

SENTINEL_SCHEME = "redis+sentinel"
DEFAULT_SENTINEL_PORT = 26379


def connect(settings: Settings) -> Redis:
    """A Redis client for `redis_url` (lazy: the first command finds out whether it answers). Raises SettingsError.

    redis://, rediss:// and unix:// as redis-py takes them, and
    redis+sentinel://[:password@]host[:port][,host2[:port2]...]/<service>[/<db>].
    """
    url = settings.redis_url.get_secret_value()
    timeouts = {
        "socket_timeout": settings.redis_timeout_seconds,
        "socket_connect_timeout": settings.redis_timeout_seconds,
        "health_check_interval": 30,
    }
    try:
        if urlsplit(url).scheme == SENTINEL_SCHEME:
            return _through_sentinels(url, timeouts)
        return Redis.from_url(url, **timeouts)
    except ValueError as error:
        raise SettingsError(f"redis_url cannot be used: {error}") from None


def _through_sentinels(url: str, timeouts: dict[str, float]) -> Redis:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("a Sentinel URL is redis+sentinel://host:port,host:port/<service>/<db>")
    username, _, password = credentials.partition(":")
    login = {"username": unquote(username) or None, "password": unquote(password) or None}
    sentinels = [_host_and_port(host) for host in hosts.split(",")]
    sentinel = Sentinel(sentinels, sentinel_kwargs=timeouts, **timeouts)
    return sentinel.master_for(service, db=int(database or 0), **login)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if ":" in text else (text, "", DEFAULT_SENTINEL_PORT)
    return host, int(port)


@contextmanager
def translating_errors() -> Iterator[None]:
    """Raise QueueUnavailable for any trouble with Redis."""
    try:
        yield
    except RedisError as error:
        raise QueueUnavailable(f"Redis does not answer ({type(error).__name__}: {error})") from error
