"""`jobrunner keys`: make, list and revoke the API keys of the farm.

They ask the API, as everybody else does. With --in-database they write to the farm's database, by the settings: for
the first key of a farm whose API is not up yet, and for whoever has lost the last admin's key.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from jobrunner.cli.answers import ApiKey
from jobrunner.cli.client import Client
from jobrunner.cli.options import with_client
from jobrunner.cli.terminal import age, show_table
from jobrunner.errors import SettingsError

KEY_OPTIONS: Mapping[str, str] = {  # the options of `create`, and the keys of the API that they fill
    "name": "name",
    "role": "role",
    "expires_in": "expiresIn",
    "task_pattern": "taskPattern",
    "image_pattern": "imagePattern",
    "most_running": "mostRunning",
    "most_cpus": "mostCpus",
    "most_memory_bytes": "mostMemoryBytes",
}


@click.group()
def keys() -> None:
    """Make, list and revoke API keys. From the first key on, the API asks everybody for one."""


def with_keys(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a client and --in-database, and what makes, lists and revokes as its argument."""

    @click.option("--in-database", is_flag=True, help="Ask the database of the settings, and not the API.")
    @click.option("--config", type=click.Path(path_type=Path), help="The configuration file, with --in-database.")
    @with_client()
    @functools.wraps(command)
    def chosen(client: Client, in_database: bool, config: Path | None, **arguments: Any) -> Any:
        if config is not None and not in_database:
            raise SettingsError("--config goes with --in-database.")
        if not in_database:
            return command(client, **arguments)
        # Imported only here: it takes its time, and the API's clients need none of it.
        from jobrunner.cli.keys_in_database import KeysInDatabase

        with KeysInDatabase(config) as database:
            return command(database, **arguments)

    return chosen


@keys.command()
@click.option("--name", required=True, help="What to call it: who has it, or what for.")
@click.option("--role", required=True, type=click.Choice(["read", "submit", "admin"]), help="What it may do.")
@click.option("--expires-in", metavar="TIME", help="How long it is good, such as 90d or 12h.  [for ever]")
@click.option("--task-pattern", metavar="REGEX", help="It sees and touches only tasks whose ids match.")
@click.option("--image-pattern", metavar="REGEX", help="It runs only images that match.")
@click.option("--most-running", type=int, metavar="N", help="So many of its executions wait or run at once.")
@click.option("--most-cpus", type=float, metavar="N", help="So many cpus for one execution, which must name them.")
@click.option("--most-memory-bytes", type=int, metavar="N", help="So much memory, in the same way.")
@with_keys
def create(service: Any, **options: Any) -> None:
    """Make a key, and print it: the only time that it can be seen."""
    wish = {KEY_OPTIONS[name]: value for name, value in options.items() if value is not None}
    made: ApiKey = service.create_key(wish)
    said = f"Key {made.key_id} ({made.name}, {made.role}). It is shown this once; use it as JOBRUNNER_API_KEY:"
    click.echo(said, err=True)
    click.echo(made.secret)


@keys.command(name="list")
@with_keys
def list_keys(service: Any) -> None:
    """List all keys, also those that have ended."""
    found: Iterator[ApiKey] = service.keys()
    show_table(("KEY", "NAME", "ROLE", "STATE", "CREATED", "USED", "LIMITS"), list(map(_row, found)))


@keys.command()
@click.argument("key_id", metavar="KEY")
@with_keys
def revoke(service: Any, key_id: str) -> None:
    """Revoke a key, by its id, for good."""
    revoked: ApiKey = service.revoke_key(key_id)
    click.echo(f"{revoked.key_id} ({revoked.name}) is revoked.")


def _row(key: ApiKey) -> tuple[str, ...]:
    limits = ", ".join(f"{name}={value}" for name, value in key.limits.items())
    return (key.key_id, key.name, key.role, key.state, age(key.created_at), age(key.last_used_at), limits or "-")
