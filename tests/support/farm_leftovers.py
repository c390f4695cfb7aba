"""What a farm of the tests has left, and how to remove it."""

from __future__ import annotations

import docker
from pymongo import MongoClient
from redis import Redis


def farm_id_of(name: str) -> str:
    """The id of the farm whose database has this name."""
    return name.replace("_", "-")


def remove_containers(farm_id: str) -> None:
    """Remove every container that carries the farm's label."""
    engine = docker.from_env(timeout=30)
    for container in engine.containers.list(all=True, filters={"label": f"jobrunner.farm={farm_id}"}):
        container.remove(force=True)
    engine.close()


def drop(mongodb_url: str, redis_url: str, name: str) -> None:
    """Remove the farm's database and its keys in Redis."""
    with MongoClient(mongodb_url) as client:
        client.drop_database(name)
    with Redis.from_url(redis_url) as redis:
        for key in redis.scan_iter(match=f"*{farm_id_of(name)}*", count=1000):
            redis.delete(key)
