"""`jobrunner run`: like `docker run`, on the farm."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import click

from jobrunner.cli.attached import Attached, Events, SignalledAgain, describe, signals_reported
from jobrunner.cli.client import ApiError, Client
from jobrunner.cli.envs import read_envs
from jobrunner.cli.exit_codes import BROKEN_PIPE, EXPLAINED, NOT_RUN, exit_code_of, needs_words
from jobrunner.cli.options import with_client
from jobrunner.cli.terminal import complain
from jobrunner.domain.outcomes import SIGNAL_BASE


class DockerLikeUsageError(click.UsageError):
    """The options cannot be understood. The exit code is `docker run`'s, which no container is likely to have."""

    exit_code = NOT_RUN


@contextmanager
def _docker_like() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        raise DockerLikeUsageError(error.format_message(), error.ctx) from None


class DockerLikeCommand(click.Command):
    """A command whose usage errors are DockerLikeUsageErrors."""

    @_docker_like()
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the command line."""
        return super().make_context(*args, **kwargs)

    @_docker_like()
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        return super().invoke(ctx)


# Options end at IMAGE: whatever follows is the command's own.
@click.command(cls=DockerLikeCommand, context_settings={"allow_interspersed_args": False}, epilog=EXPLAINED)
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable (NAME: to its value here).")
@click.option("--env-file", multiple=True, type=click.Path(path_type=Path), help="Read variables from a file.")
@click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="Stop it when it has run that long.")
@click.option("--stop-grace", type=click.IntRange(min=0), metavar="SECONDS", help="From SIGTERM to SIGKILL at a stop.")
@click.option("--retries", type=click.IntRange(min=0), default=0, help="Try again that often if it fails.")
@click.option("--pull", type=click.Choice(["missing", "always", "never"]), help="When to pull the image.  [missing]")
@click.option("--task", default="run", show_default=True, help="The task that the job belongs to.")
@click.option("-d", "--detach", is_flag=True, help="Print the execution's id, and do not wait for it.")
@click.argument("image")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@with_client(exit_code_of_failure=NOT_RUN)
def run(
    client: Client,
    image: str,
    command: tuple[str, ...],
    env: tuple[str, ...],
    env_file: tuple[Path, ...],
    task: str,
    detach: bool,
    **options: Any,
) -> None:
    """Run COMMAND in a container of IMAGE on the farm.

    Its output comes as it is written, stdout and stderr apart. Ctrl-C (or SIGTERM) stops the job, and waits for its
    end; a second one leaves at once. If the reader of the output goes away (`| head -1`), or this program is killed,
    the execution goes on, as a container of `docker run` does: see `jobrunner ps`, `logs -f` and `stop`.
    """
    spec = {
        "image": image,
        "command": list(command) or None,
        "envs": read_envs(env_file, env, os.environ),
        "timeout": options["timeout"],
        "stopGrace": options["stop_grace"],
        "retries": options["retries"],
        "pullPolicy": options["pull"],
    }
    spec = {key: value for key, value in spec.items() if value is not None}
    _check_text(spec)
    if detach:
        click.echo(client.submit(task, spec).execution_id)
    else:
        sys.exit(_run_attached(client, task, spec))


def _check_text(spec: dict[str, Any]) -> None:
    """Arguments and variables are bytes, JSON has only text. Raises click.UsageError."""
    try:
        json.dumps(spec, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise click.UsageError("IMAGE, COMMAND and variables must be UTF-8") from None


def _run_attached(client: Client, task: str, spec: dict[str, Any]) -> int:
    """Submit, follow to the end, and return the exit code."""
    events: Events = SimpleQueue()
    attached = None
    try:
        # Before submitting: a Ctrl-C while the API takes the job in must stop the job, not forget it.
        with signals_reported(events):
            attached = Attached(client, client.submit(task, spec), events)
            execution = attached.wait(spec["retries"])
    except SignalledAgain as again:
        complain(_where_it_is(attached))
        return SIGNAL_BASE + again.number
    except BrokenPipeError:
        return BROKEN_PIPE
    except (ApiError, OSError) as error:
        if attached is None:
            raise
        complain(f"{error}; {_where_it_is(attached)}")
        return NOT_RUN
    if attached.signalled:
        return SIGNAL_BASE + attached.signalled.number
    if needs_words(execution):
        complain(describe(execution))
    return exit_code_of(execution)


def _where_it_is(attached: Attached | None) -> str:
    """What to say of a job that is left behind."""
    if attached is None:
        return "left while the job was being submitted; see `jobrunner ps` whether it was"
    return f"execution {attached.ref.execution_id} may go on; see it by `jobrunner logs -f {attached.ref.execution_id}`"
