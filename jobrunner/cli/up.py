"""`jobrunner up`: a whole farm on this machine, in one terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click

from jobrunner import __version__
from jobrunner.cli.local.data_folder import DataFolder, is_free
from jobrunner.cli.local.parts import jobrunner_programs, local_url
from jobrunner.cli.local.services import check_configured_services, check_engine, choose_services
from jobrunner.cli.local.stop_requests import StopRequests
from jobrunner.cli.local.supervisor import StartFailed, StopRequested, Supervisor
from jobrunner.errors import SettingsError
from jobrunner.settings import CONFIG_FILE_VARIABLE, Settings, load_settings

STOP_STAGES = (("API", "Scheduler", "Worker"), ("Redis", "MongoDB"))


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("jobrunner-data"),
    show_default=True,
    help="The folder that keeps the farm: databases, logs, ports.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="The port of the API (setting api_port).")
@click.option("--slots", type=click.IntRange(1, 1000), help="How many containers run at once (setting slots).")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A configuration file; conf/jobrunner.conf explains every setting.",
)
def up(data: Path, port: int | None, slots: int | None, config: Path | None) -> None:
    """Run a whole farm on this machine: Redis, MongoDB, the API, the scheduler and one worker.

    Redis and MongoDB are embedded, unless redis_url or mongodb_url name others. Ctrl-C ends all in order; the
    containers of running jobs go on, and the next `jobrunner up` of the same folder takes them over.
    """
    given = {name: value for name, value in {"api_port": port, "slots": slots}.items() if value is not None}
    settings = load_settings(config, **given)
    folder = DataFolder(data.absolute())
    say(f"jobrunner {__version__}, its data in {folder.path}")
    folder.hold(local_url(settings))
    say(check_engine(settings))
    check_configured_services(settings)
    sys.exit(run_farm(settings, folder, config))


def run_farm(settings: Settings, folder: DataFolder, config: Path | None) -> int:
    """Start everything, watch it until somebody asks for the end, and end it. Returns the exit code."""
    requests = StopRequests()
    requests.listen()
    supervisor = Supervisor(folder.logs, folder.processes, requests, say)
    failure = None
    try:
        supervisor.end_leftovers()
        start_programs(supervisor, settings, folder, config)
        greet(settings)
        supervisor.watch()
        say("Stopping. Containers of running jobs go on; Ctrl-C again hurries.")
    except StopRequested:
        say("Stopping.")
    except StartFailed as error:
        failure = str(error)
    finally:
        supervisor.stop(STOP_STAGES)
    if failure:
        say(failure)
    return 1 if failure else 0


def start_programs(supervisor: Supervisor, settings: Settings, folder: DataFolder, config: Path | None) -> None:
    """Start the services, and then what needs them. Raises StartFailed, StopRequested, SettingsError."""
    check_port(settings)
    services = choose_services(settings, folder)
    supervisor.start(services.programs)
    environment = dict(services.environment) | own_settings(settings, folder, config)
    supervisor.start(jobrunner_programs(settings, environment))


def own_settings(settings: Settings, folder: DataFolder, config: Path | None) -> dict[str, str]:
    """What the child processes must be told beside their configuration."""
    chosen = {"JOBRUNNER_API_PORT": str(settings.api_port), "JOBRUNNER_SLOTS": str(settings.slots)}
    if config is not None:
        chosen[CONFIG_FILE_VARIABLE] = str(config.absolute())
    if "state_dir" not in settings.model_fields_set:
        chosen["JOBRUNNER_STATE_DIR"] = str(folder.state)
    return chosen


def check_port(settings: Settings) -> None:
    """Raises SettingsError where somebody else has the API's port."""
    if not is_free(settings.api_host, settings.api_port):
        raise SettingsError(
            f"The API cannot listen on {settings.api_host}:{settings.api_port}, another program may have that port: "
            "end it, or take another one with --port."
        )


def greet(settings: Settings) -> None:
    """Say that the farm is up, where it is, and how to end it."""
    url = settings.public_url or local_url(settings)
    say(f"\nThe farm is up: {url}")
    say(f'Try: curl -d \'{{"image": "alpine", "command": "echo hi"}}\' {url}/tasks/first/')
    say("Ctrl-C stops it.\n")


def say(line: str) -> None:
    """Tell the person at the terminal; and carry on where the terminal is gone."""
    with suppress(OSError):
        click.echo(line)
