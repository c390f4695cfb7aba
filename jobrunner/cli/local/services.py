"""What the farm stands on: the Docker Engine, and MongoDB and Redis: those that are configured, else embedded ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobrunner.cli.local.data_folder import DataFolder
from jobrunner.cli.local.embedded import mongodb_program, mongodb_url, redis_program, redis_url
from jobrunner.cli.local.programs import Program
from jobrunner.errors import EngineUnavailable, QueueUnavailable, ServiceUnavailable, SettingsError, StoreUnavailable
from jobrunner.executors.docker.client import EngineClient
from jobrunner.queueing import connection as redis_connection
from jobrunner.settings import Settings
from jobrunner.store import connection as mongo_connection

PREFERRED_REDIS_PORT = 10079
PREFERRED_MONGODB_PORT = 10017


@dataclass(frozen=True)
class Services:
    """The services to start, and the settings that tell the other processes where those are."""

    programs: tuple[Program, ...]
    environment: Mapping[str, str]


def choose_services(settings: Settings, folder: DataFolder) -> Services:
    """Embed what nobody configured. Raises SettingsError where the program for it is not there."""
    programs: list[Program] = []
    environment: dict[str, str] = {}
    if "redis_url" not in settings.model_fields_set:
        port = folder.port("redis", PREFERRED_REDIS_PORT)
        programs.append(redis_program(folder.redis, port))
        environment["JOBRUNNER_REDIS_URL"] = redis_url(port)
    if "mongodb_url" not in settings.model_fields_set:
        port = folder.port("mongodb", PREFERRED_MONGODB_PORT)
        programs.append(mongodb_program(folder.mongodb, port))
        environment["JOBRUNNER_MONGODB_URL"] = mongodb_url(port)
    return Services(tuple(programs), environment)


def check_engine(settings: Settings) -> str:
    """A line that says which Docker Engine answers. Raises SettingsError, with what to do, where none does."""
    try:
        version = EngineClient(settings).version()
    except EngineUnavailable as error:
        raise SettingsError(
            f"There is no Docker Engine: {error}. Start one (`systemctl start docker`, or `dockerd` as root), see "
            "that this user may use it (group docker), or set docker_host to one that runs elsewhere."
        ) from None
    return f"Docker Engine {version} answers on {settings.docker_host}"


def check_configured_services(settings: Settings) -> None:
    """Raise SettingsError, naming the setting, where a configured Redis or MongoDB does not answer."""
    if "redis_url" in settings.model_fields_set:
        _check_redis(settings)
    if "mongodb_url" in settings.model_fields_set:
        _check_mongodb(settings)


def _check_redis(settings: Settings) -> None:
    try:
        with redis_connection.connect(settings) as client, redis_connection.translating_errors():
            client.ping()
    except QueueUnavailable as error:
        raise SettingsError(_unusable("Redis", "redis_url", error)) from None


def _check_mongodb(settings: Settings) -> None:
    mongo_connection.connect(settings)
    try:
        mongo_connection.MongoHealth().check()
    except StoreUnavailable as error:
        raise SettingsError(_unusable("MongoDB", "mongodb_url", error)) from None
    finally:
        mongo_connection.disconnect()


def _unusable(service: str, setting: str, error: ServiceUnavailable) -> str:
    if error.is_refusal:
        return str(error)
    # Of the error only its kind: its words can hold the address, and that the password.
    kind = type(error.__cause__ or error).__name__
    return (
        f"The {service} that {setting} names does not answer ({kind}): start it, correct {setting}, "
        f"or leave {setting} out to have an embedded one."
    )
