"""The connection to Redis: a plain server, a unix socket, TLS, or through Sentinels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from jobrunner.errors import QueueUnavailable, SettingsError
from jobrunner.settings import Settings

SENTINEL_SCHEME = "redis+sentinel"
DEFAULT_SENTINEL_PORT = 26379
FORMS = "it must look like redis://:password@host:6379/0 or redis+sentinel://:password@host:26379/service/0"


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
        # redis-py's own ten tries take minutes where a server hangs. One more where a connection has gone stale; none
        # after a time limit: the command may have been carried out.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    try:
        if urlsplit(url).scheme == SENTINEL_SCHEME:
            return _through_sentinels(url, timeouts)
        return Redis.from_url(url, **timeouts)
    except ValueError:  # its message may hold a part of the password
        raise SettingsError(f"redis_url cannot be used: {FORMS}, with special characters percent-encoded") from None


def _through_sentinels(url: str, timeouts: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("no host, or no service")
    username, _, password = credentials.partition(":")
    login = {"username": unquote(username) or None, "password": unquote(password) or None}
    sentinels = [_host_and_port(host) for host in hosts.split(",")]
    sentinel = Sentinel(sentinels, sentinel_kwargs=timeouts, **timeouts)
    return sentinel.master_for(service, db=int(database or 0), **login)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", DEFAULT_SENTINEL_PORT)
    return host.strip("[]"), int(port)


@contextmanager
def translating_errors() -> Iterator[None]:
    """Raise QueueUnavailable for any trouble with Redis."""
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        refusal = "Redis refuses the user or the password in redis_url, or the user may not do all that is needed"
        raise QueueUnavailable(f"{refusal} ({error})", is_refusal=True) from error
    except RedisError as error:
        raise QueueUnavailable(f"Redis does not answer ({type(error).__name__}: {error})") from error
