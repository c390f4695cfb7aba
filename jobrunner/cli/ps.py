"""`jobrunner ps`: the executions of the farm."""

from __future__ import annotations

import json
from itertools import islice

import click

from jobrunner.cli.answers import Execution
from jobrunner.cli.client import Client
from jobrunner.cli.options import with_client
from jobrunner.cli.terminal import age, complain, shorten, show_table
from jobrunner.domain.states import State

COMMAND_LENGTH = 40
UNDER_WAY = tuple(state.value for state in State if not state.is_terminal)


@click.command()
@click.option("-a", "--all", "ended_too", is_flag=True, help="Show also those that have ended.")
@click.option("--task", help="Show those of one task only.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Show at most so many.")
@click.option("--json", "as_json", is_flag=True, help="Write them as a JSON list, as the API has them.")
@with_client()
def ps(client: Client, ended_too: bool, task: str | None, limit: int, as_json: bool) -> None:
    """List the executions that are under way, the newest first."""
    found = list(islice(client.executions(() if ended_too else UNDER_WAY, task), limit + 1))
    shown = found[:limit]
    if as_json:
        click.echo(json.dumps([execution.document for execution in shown], indent=2))
    else:
        show_table(("EXECUTION", "TASK", "IMAGE", "COMMAND", "STATUS", "NODE", "CREATED"), list(map(_row, shown)))
    if len(found) > limit:
        complain(f"there are more than these {limit}; --limit shows more")


def _row(execution: Execution) -> tuple[str, ...]:
    return (
        execution.execution_id,
        execution.task_id,
        execution.image,
        shorten(execution.command, COMMAND_LENGTH),
        _status(execution),
        execution.node or "-",
        age(execution.created_at),
    )


def _status(execution: Execution) -> str:
    """The state, and the exit code where it says more."""
    return f"{execution.status} ({execution.exit_code})" if execution.exit_code else execution.status.value
