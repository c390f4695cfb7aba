"""What the commands that speak to the API have in common: where it is, and what is said if it cannot be had."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from jobrunner.cli.client import DEFAULT_URL, ApiError, ApiUnreachable, Client
from jobrunner.cli.terminal import complain
from jobrunner.errors import JobrunnerError, RequestError

Command = Callable[..., Any]


def with_client(exit_code_of_failure: int = 1) -> Callable[[Command], Command]:
    """Give a command the option --url, and a Client as its first argument; its errors end in this exit code."""

    def decorate(command: Command) -> Command:
        @click.option(
            "--url", envvar="JOBRUNNER_URL", default=DEFAULT_URL, show_default=True, help="The API's address."
        )
        @functools.wraps(command)
        def connected(url: str, **arguments: Any) -> Any:
            client = Client(url, api_key=os.environ.get("JOBRUNNER_API_KEY"))
            try:
                return command(client, **arguments)
            except (ApiError, RequestError) as error:
                complain(explain(error))
                sys.exit(exit_code_of_failure)

        return connected

    return decorate


def explain(error: JobrunnerError) -> str:
    """The error in words, with what to do about it where we know."""
    if isinstance(error, ApiUnreachable):
        return f"{error}; start one with `jobrunner up`, or give its address by --url or JOBRUNNER_URL"
    return str(error)
