"""What a farm of the tests has left, and how to remove it."""

from __future__ import annotations

import docker
from docker.errors import APIError
from docker.models.containers import Container
from pymongo import MongoClient
from redis import Redis


def farm_id_of(name: str) -> str:
    """The id of the farm whose database has this name."""
    return name.replace("_", "-")


def remove_containers(farm_id: str, docker_host: str | None = None) -> None:
    """Remove every container that carries the farm's label, on this Engine (the machine's)."""
    engine = docker.DockerClient(docker_host, timeout=30) if docker_host else docker.from_env(timeout=30)
    label = f"jobrunner.farm={farm_id}"
    for container in engine.containers.list(all=True, filters={"label": label}, ignore_removed=True):
        remove_container(container)
    engine.close()


def remove_container(container: Container) -> None:
    """Remove it, unless it is gone, or its worker is removing it."""
    try:
        container.remove(force=True)
    except APIError as error:
        if error.status_code not in (404, 409):
            raise


# In one step: or what is written meanwhile would be lost by half, which no Redis does that loses what it holds.
_FORGET = """
for _, key in ipairs(redis.call('KEYS', '*' .. ARGV[1] .. '*')) do redis.call('DEL', key) end
for _, key in ipairs(redis.call('KEYS', 'rq:job:*')) do
    local queue = redis.pcall('HGET', key, 'origin')
    if type(queue) == 'string' and string.find(queue, ARGV[1], 1, true) then redis.call('DEL', key) end
end
"""


def forget_in_redis(redis: Redis, farm_id: str) -> None:
    """Have a Redis lose all that it holds of a farm: its queues, its alarms, and the messages, as a FLUSHALL does."""
    redis.eval(_FORGET, 0, farm_id)


def drop(mongodb_url: str, redis_url: str, name: str) -> None:
    """Remove the farm's database and its keys in Redis."""
    with MongoClient(mongodb_url) as client:
        client.drop_database(name)
    with Redis.from_url(redis_url) as redis:
        forget_in_redis(redis, farm_id_of(name))
