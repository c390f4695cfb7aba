"""`jobrunner worker`: run this machine's worker. `jobrunner worker list`: the nodes of the farm and their workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jobrunner.cli.answers import Node
from jobrunner.cli.client import Client
from jobrunner.cli.options import with_client
from jobrunner.cli.terminal import age, show_table
from jobrunner.domain.schedules import parse_duration


@click.group(invoke_without_command=True)
@click.option("--node", metavar="NAME", help="The name of this node.  [its host name]")
@click.option("--slots", type=int, metavar="N", help="How many containers to run at once.")
@click.option("--drain", is_flag=True, help="On SIGTERM, wait for the containers instead of handing them over.")
@click.option("--config", type=click.Path(path_type=Path), help="The configuration file.")
@click.pass_context
def worker(ctx: click.Context, node: str | None, slots: int | None, drain: bool, config: Path | None) -> None:
    """Run the worker of this machine."""
    if ctx.invoked_subcommand is not None:
        return
    from jobrunner.settings import load_settings

    overrides: dict[str, Any] = {"node": node, "slots": slots}
    given = {name: value for name, value in overrides.items() if value is not None}
    settings = load_settings(config, **given)
    # Imported only here: what a worker needs (rq, docker, mongoengine) takes its time, and `list` needs none of it.
    from jobrunner.cli.worker import run_worker

    run_worker(settings, drain)


@worker.command(name="list")
@with_client()
def list_nodes(client: Client) -> None:
    """List the nodes of the farm."""
    show_table(("NODE", "MACHINE", "STATE", "RUNNING", "SEEN", "ENGINE"), list(map(_row, client.nodes())))


@worker.command(name="drain")
@click.argument("node")
@click.option(
    "--deadline",
    metavar="TIME",
    callback=lambda ctx, option, text: _seconds(text),
    help="End what still runs after this time (30m, 1h30m), as lost; it is tried again where its job allows.",
)
@with_client()
def drain_node(client: Client, node: str, deadline: float | None) -> None:
    """Have a node take nothing new, so that it becomes empty."""
    client.drain(node, deadline)
    click.echo(f"{node} takes nothing new")


@worker.command(name="undrain")
@click.argument("node")
@with_client()
def undrain_node(client: Client, node: str) -> None:
    """Have a drained node take work again."""
    client.undrain(node)
    click.echo(f"{node} takes work again")


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _row(node: Node) -> tuple[str, ...]:
    running = f"{node.running}/{node.slots}"
    state = f"{node.state}, draining" if node.is_draining else node.state
    return (node.name, node.machine, state, running, age(node.seen_at), node.engine_version or "-")
