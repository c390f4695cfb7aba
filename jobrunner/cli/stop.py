"""`jobrunner stop`: end executions, or their jobs."""

from __future__ import annotations

import sys

import click

from jobrunner.cli.client import ApiRefused, Client
from jobrunner.cli.options import with_client
from jobrunner.cli.terminal import complain
from jobrunner.errors import InvalidRequest


@click.command()
@click.option("--job", "whole_job", is_flag=True, help="Stop the whole job: its schedule and its retries too.")
@click.argument("executions", nargs=-1, required=True, metavar="EXECUTION...")
@with_client()
def stop(client: Client, executions: tuple[str, ...], whole_job: bool) -> None:
    """Ask the farm to stop each EXECUTION (an id), and print the ids of those that it will stop."""
    refused = [execution for execution in executions if not _stop(client, execution, whole_job)]
    sys.exit(1 if refused else 0)


def _stop(client: Client, execution_id: str, whole_job: bool) -> bool:
    """Stop one; False, and a complaint, where it cannot be. The others are not to suffer from that."""
    try:
        ref = client.find(execution_id)
        client.stop_job(ref) if whole_job else client.stop_execution(ref)
    except (ApiRefused, InvalidRequest) as error:
        complain(f"{execution_id}: {error}")
        return False
    click.echo(ref.execution_id)
    return True
