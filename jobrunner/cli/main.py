"""The command line. Each command is imported when it is called, so that `jobrunner run` starts at once."""

from __future__ import annotations

import importlib
from typing import Any, NoReturn

import click

from jobrunner import __version__
from jobrunner.cli.terminal import complain
from jobrunner.errors import JobrunnerError, SettingsError

COMMANDS = {
    "run": ("jobrunner.cli.run:run", "Run a command in a container on the farm, as `docker run` does."),
    "ps": ("jobrunner.cli.ps:ps", "List executions."),
    "logs": ("jobrunner.cli.logs:logs", "Show the output of an execution."),
    "stop": ("jobrunner.cli.stop:stop", "Stop executions, or their jobs."),
    "keys": ("jobrunner.cli.keys:keys", "Make, list and revoke API keys."),
    "up": ("jobrunner.cli.up:up", "Run a whole farm on this machine."),
    "api": ("jobrunner.cli.api:api", "Run the REST API."),
    "worker": ("jobrunner.cli.nodes:worker", "Run the worker of this machine, or list the farm's workers."),
    "scheduler": ("jobrunner.cli.scheduler:scheduler", "Run the scheduler and the janitors."),
    "prune": ("jobrunner.cli.prune:prune", "Delete what was kept for long enough, or show how much that is."),
    "backup": ("jobrunner.cli.backup:backup", "Copy the farm's database to a file."),
    "restore": ("jobrunner.cli.backup:restore", "Put such a copy back."),
}


class LazyGroup(click.Group):
    """The commands of the table above. Its help needs none of them, and so none of what they import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table: the user's own commands first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Errors raised on purpose become one message and an exit code, never a traceback."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            click.echo(str(error), err=True)
            _leave(ctx, 2)
        except JobrunnerError as error:
            complain(str(error))
            _leave(ctx, 1)


def _leave(ctx: click.Context, exit_code: int) -> NoReturn:
    ctx.exit(exit_code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobrunner")
def main() -> None:
    """Run containers on machines that you own."""
