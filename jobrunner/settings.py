"""The configuration: one frozen, validated object, from a file and the environment.

Every setting has one name. `conf/jobrunner.conf` sets it as `name = value`; the environment variable
`JOBRUNNER_<NAME>` goes before the file. conf/jobrunner.conf in the repository explains every one of them.
"""

from __future__ import annotations

import configparser
import os
import re
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from jobrunner.container_rules import (
    NETWORK_NAME,
    Capability,
    ContainerRules,
    HostFolder,
    capability_name,
    volumes_from_text,
)
from jobrunner.errors import SettingsError
from jobrunner.rules import PoolRule, TaskLimit, from_text, labels_from_text

CONFIG_FILE_VARIABLE = "JOBRUNNER_CONFIG"
CLIENT_VARIABLES = ("JOBRUNNER_URL", "JOBRUNNER_API_KEY")  # of `jobrunner run` and the like: no settings of a farm
DEFAULT_CONFIG_FILES = (Path("jobrunner.conf"), Path("/etc/jobrunner/jobrunner.conf"))
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class LogFormat(StrEnum):
    """How log lines look: for people (console) or for machines (json)."""

    CONSOLE = "console"
    JSON = "json"


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is kept private: not at all, by STARTTLS, or by TLS from its start."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class LogLevel(StrEnum):
    """The least severe log line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _node_name(value: str) -> str:
    if not NODE_NAME.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit")
    return value


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", value):
        raise ValueError("must be a rate: a number of requests per second, minute, hour or day, such as '6000/minute'")
    return value


Rate = Annotated[str, AfterValidator(_rate)]
Seconds = Annotated[float, Field(gt=0, le=10**9)]
Days = Annotated[float, Field(ge=0, le=36500)]  # 0: for ever
Name = Annotated[str, AfterValidator(_node_name)]
NetworkName = Annotated[str, Field(pattern=f"^{NETWORK_NAME}$")]
CapabilityName = Annotated[Capability, BeforeValidator(capability_name)]


class Settings(BaseModel):
    """All settings of one process. Durations are in seconds and sizes in bytes, as their names say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Who we are
    farm_id: Name | None = None
    node: Name = Field(default_factory=lambda: re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "node")
    state_dir: Path = Field(default_factory=lambda: Path.home() / ".local/state/jobrunner")

    # Services
    mongodb_url: SecretStr = SecretStr("mongodb://127.0.0.1:27017/")
    mongodb_database: str = Field("jobrunner", pattern=r"^[A-Za-z0-9_-]{1,63}$")
    mongodb_timeout_seconds: Seconds = 5.0
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    redis_timeout_seconds: Seconds = 2.0
    docker_host: str = "unix:///var/run/docker.sock"
    docker_tls_ca: Path | None = None
    docker_tls_cert: Path | None = None
    docker_tls_key: Path | None = None
    docker_api_version: str = Field("1.41", pattern=r"^1\.\d{1,3}$")
    docker_timeout_seconds: Seconds = 60.0

    # The API
    api_host: str = "127.0.0.1"
    api_port: int = Field(10000, ge=1, le=65535)
    api_threads: int = Field(128, ge=1, le=4096)
    api_service_timeout_seconds: Seconds = 1.25
    api_allow_unauthenticated: bool = False
    api_max_body_bytes: int = Field(1024 * 1024, ge=1024)
    api_trusted_proxies: tuple[IPvAnyNetwork, ...] | None = None
    api_read_seconds: Annotated[Seconds, Field(le=3600)] = 60.0
    api_allowed_hosts: tuple[str, ...] | None = None
    api_cors_origins: tuple[str, ...] | None = None
    api_rate_per_key: Rate | None = None
    api_rate_per_address: Rate | None = None
    audit_retention_days: int = Field(365, ge=1, le=36500)
    public_url: str | None = Field(None, pattern=r"^https?://[^/?#]+(/[^?#]*)?$")
    page_size: int = Field(10, ge=1, le=1000)
    api_followers: int = Field(500, ge=1, le=100_000)
    api_stuck_seconds: Seconds = 120.0
    api_event_listeners: int = Field(32, ge=1, le=4096)
    idempotency_hours: int = Field(24, ge=1, le=8760)

    # Executions
    slots: int = Field(16, ge=1, le=1000)
    timeout_seconds: int = Field(1800, ge=1)
    timeout_hard_limit_seconds: int = Field(86400, ge=1)
    stop_grace_seconds: int = Field(10, ge=0, le=3600)
    retry_first_delay_seconds: Seconds = 10.0
    retry_factor: float = Field(2.0, ge=1.0)
    retry_longest_delay_seconds: Seconds = 3600.0
    retry_jitter: float = Field(0.0, ge=0, le=1)
    usage_interval_seconds: Seconds = 10.0
    misfire_window_seconds: Annotated[Seconds, Field(le=86400)] = 60.0
    fire_threads: int = Field(16, ge=1, le=256)
    output_cap_bytes: int = Field(1024**3, ge=1)
    execution_retention_days: Days = 90.0
    output_retention_days: Days = 30.0
    file_max_bytes: int = Field(1024**3, ge=1)
    file_retention_days: Days = 30.0
    outputs_max_bytes: int = Field(1024**3, ge=1)
    outputs_max_files: int = Field(1000, ge=1, le=10_000)
    outputs_timeout_seconds: Seconds = 600.0
    redacted_names: tuple[str, ...] = ("password", "key", "secret", "client_id", "token")

    # Nodes and pools
    node_address: str | None = Field(None, max_length=255)
    node_pools: tuple[Name, ...] = ("default",)
    node_labels: Mapping[Name, str] | None = None
    node_cpus: float | None = Field(None, gt=0, le=4096)
    node_memory_bytes: int | None = Field(None, ge=1, le=2**50)
    node_gpus: int | None = Field(None, ge=0, le=1024)
    node_storage_bytes: int | None = Field(None, ge=0, le=2**60)
    pools: tuple[PoolRule, ...] = ()
    task_limits: tuple[TaskLimit, ...] = ()
    priority_step_seconds: Seconds = 300.0
    room_wait_seconds: Seconds = 30.0

    # Containers
    registry_credentials_file: Path | None = None
    node_volumes: Annotated[Mapping[str, HostFolder], BeforeValidator(volumes_from_text)] | None = None
    container_networks: tuple[NetworkName, ...] | None = None
    container_capabilities: tuple[CapabilityName, ...] | None = None
    container_allow_new_privileges: bool = False
    container_pids_limit: int = Field(4096, ge=16, le=2**22)

    # Notifications
    delivery_retries: int = Field(5, ge=0, le=20)
    delivery_first_delay_seconds: Seconds = 5.0
    delivery_factor: float = Field(3.0, ge=1.0)
    delivery_longest_delay_seconds: Seconds = 3600.0
    delivery_threads: int = Field(16, ge=1, le=256)
    delivery_threads_per_host: int = Field(4, ge=1, le=256)
    webhook_secret: SecretStr | None = None
    webhook_timeout_seconds: Annotated[Seconds, Field(le=600)] = 10.0
    webhook_tls_ca: Path | None = None
    webhook_allow_loopback: bool = False
    webhook_forbid_private: bool = False
    webhook_allowed_networks: tuple[IPvAnyNetwork, ...] | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(25, ge=1, le=65535)
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    smtp_tls_ca: Path | None = None
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = Field(None, pattern=r"^[^\s@<>,;\"]+@[^\s@<>,;\"]+$", max_length=254)
    smtp_timeout_seconds: Annotated[Seconds, Field(le=600)] = 10.0

    # How soon the farm notices
    node_beat_seconds: Seconds = 5.0
    node_silent_seconds: Seconds = 30.0
    janitor_interval_seconds: Seconds = 5.0
    handover_seconds: Seconds = 4.0

    # Logs of jobrunner itself
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE

    @field_validator(
        "redacted_names",
        "webhook_allowed_networks",
        "api_allowed_hosts",
        "api_cors_origins",
        "api_trusted_proxies",
        "node_pools",
        "container_networks",
        "container_capabilities",
        mode="before",
    )
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        """Take `a, b, c`, as a line of a file or an environment variable has it."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    _read_rules = field_validator("pools", "task_limits", mode="before")(from_text)
    _read_labels = field_validator("node_labels", mode="before")(labels_from_text)

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.node_silent_seconds < 3 * self.node_beat_seconds:
            raise ValueError("node_silent_seconds must be at least three times node_beat_seconds")
        if self.timeout_seconds > self.timeout_hard_limit_seconds:
            raise ValueError("timeout_seconds must not be above timeout_hard_limit_seconds")
        if (self.docker_tls_cert is None) != (self.docker_tls_key is None):
            raise ValueError("docker_tls_cert and docker_tls_key go together")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("smtp_username and smtp_password go together")
        if self.smtp_host is not None and self.smtp_from is None:
            raise ValueError("smtp_from must be set where smtp_host is: it is the sender of all e-mail")
        return self

    @property
    def container_rules(self) -> ContainerRules:
        """What jobs may ask for in this farm."""
        return ContainerRules(
            networks=frozenset(self.container_networks or ()),
            capabilities=frozenset(self.container_capabilities or ()),
            new_privileges=self.container_allow_new_privileges,
        )


def load_settings(
    config_file: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: Any
) -> Settings:
    """Read the file (this one, else $JOBRUNNER_CONFIG, else a default place), then the environment, then `overrides`.

    Raises SettingsError with every fault at once: unknown names, unusable values, a file that is not there.
    """
    environ = os.environ if environ is None else environ
    values = _from_file(_find_config_file(config_file, environ)) | _from_environment(environ) | overrides
    try:
        return Settings(**values)
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("The configuration cannot be used:\n" + "\n".join(faults)) from None


def _find_config_file(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    if named is None and environ.get(CONFIG_FILE_VARIABLE):
        named = Path(environ[CONFIG_FILE_VARIABLE])
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"The configuration file {named} does not exist.")
        return named
    return next((path for path in DEFAULT_CONFIG_FILES if path.is_file()), None)


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    try:
        parser.read_string("[jobrunner]\n" + path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error}") from None
    except configparser.Error as error:
        line = error.errors[0][0] if isinstance(error, configparser.ParsingError) else getattr(error, "lineno", None)
        where = f", line {line - 1}" if line else ""
        raise SettingsError(f"The configuration file {path}{where} is not lines of `name = value`.") from None
    for section in parser.sections()[1:]:
        raise SettingsError(f"The configuration file {path} must have no sections such as [{section}].")
    return dict(parser["jobrunner"])


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    prefix = "JOBRUNNER_"
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.startswith(prefix) and name not in (CONFIG_FILE_VARIABLE, *CLIENT_VARIABLES)
    }
