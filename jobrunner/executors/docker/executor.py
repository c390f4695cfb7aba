"""The Docker Engine of one node, as the port `Executor`. As few calls to the Engine per execution as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import requests
from docker import APIClient
from docker.errors import APIError, NotFound
from urllib3.exceptions import ReadTimeoutError

from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Execution
from jobrunner.domain.images import ImageReference
from jobrunner.domain.ports.executor import Container, ContainerStatus, Machine, OutputReader
from jobrunner.domain.ports.file_stores import FileToPut, PathEntry
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import ContainerVanished, EngineUnavailable
from jobrunner.executors.docker import archive, output, usage
from jobrunner.executors.docker.client import CONNECT_SECONDS, EngineClient, open_stream
from jobrunner.executors.docker.containers import (
    FARM_LABEL,
    container_name,
    creation,
    from_inspection,
    from_listing,
    may_lack_memory,
)
from jobrunner.executors.docker.engine_absence import was_away_at_end
from jobrunner.executors.docker.errors import create_error, is_engine_trouble, start_error
from jobrunner.executors.docker.machine import machine_of
from jobrunner.executors.docker.pull import pull
from jobrunner.executors.docker.registry_credentials import RegistryCredentials
from jobrunner.settings import Settings

CREATE_ATTEMPTS, CREATE_PAUSE_SECONDS = 20, 0.05
SHORTEST_WAIT_SECONDS = 0.001
CONFLICT = 409
# The Engine hears of the end of a container and of its lack of memory apart, in either order (seen with 20.10, busy).
LATE_OOM_SECONDS = 0.5
HIJACK = {"Connection": "Upgrade", "Upgrade": "tcp"}


class DockerExecutor:
    """Containers of one farm on one node's Docker Engine. Safe to share between threads."""

    def __init__(self, settings: Settings, farm_id: str) -> None:
        """Connects to nothing yet. Raises SettingsError where its address, its TLS files or the logins are unusable."""
        self._settings = settings
        self._farm_id = farm_id
        self._client = EngineClient(settings)
        self._credentials = RegistryCredentials(settings.registry_credentials_file)
        self.host: str = self._client.host
        self.port: int | None = self._client.port

    @property
    def circuit(self) -> Circuit:
        """Whether calls reach the Engine at present, or fail at once."""
        return self._client.circuit

    def pull(self, image: ImageReference, checkpoint: Callable[[], None]) -> None:
        """Fetch the image; see jobrunner.executors.docker.pull."""
        pull(self._client, image, self._credentials.of(image.registry), checkpoint)

    def create(self, execution: Execution) -> Container:
        """Create the container, or return the one that has its name already."""
        for _ in range(CREATE_ATTEMPTS):
            container = self._create(execution) or self.find(execution.id)
            if container:
                return container
            # Another create of it is under way: the Engine takes the name at its beginning, and shows it at its end.
            time.sleep(CREATE_PAUSE_SECONDS)
        raise EngineUnavailable("the Docker Engine says that the container exists, and does not show it")

    def _create(self, execution: Execution) -> Container | None:
        """A new container; None where its name is taken."""
        with self._client.guard() as api:
            try:
                created = api.create_container(**creation(execution, self._settings, self._farm_id))
            except APIError as error:
                if error.status_code == CONFLICT:
                    return None
                if is_engine_trouble(error):
                    raise
                raise create_error(error, execution.spec.image) from error
        return Container(id=created["Id"], execution_id=execution.id, status=ContainerStatus.CREATED)

    def find(self, execution_id: str) -> Container | None:
        """The container of an execution, whichever node of the farm made it; None where there is none."""
        with self._client.guard() as api:
            try:
                return from_inspection(api.inspect_container(self._name(execution_id)))
            except NotFound:
                return None

    def attach(self, container: Container) -> OutputReader:
        """Connect to the output of a container that has not been started."""
        with self._existing(container) as api:
            path = f"/containers/{container.id}/attach?stdout=1&stderr=1&stream=1"
            return output.attached(api, open_stream(api, "POST", path, headers=HIJACK))

    def replay(self, container: Container) -> OutputReader:
        """All output from the first byte on, from the Engine's own log, following while the container runs."""
        with self._existing(container) as api:
            path = f"/containers/{container.id}/logs?stdout=1&stderr=1&follow=1&timestamps=1"
            return output.replayed(api, open_stream(api, "GET", path))

    def put_files(self, container: Container, files: Iterable[FileToPut]) -> None:
        """Put files into a container that has not been started; see jobrunner.executors.docker.archive."""
        with self._existing(container) as api:
            archive.put(api, container.id, files)

    @contextmanager
    def read_path(self, container: Container, path: str) -> Iterator[Iterator[PathEntry]]:
        """What a container that does not run has at and below a path; see jobrunner.executors.docker.archive."""
        with self._existing(container) as api, archive.entries(api, container.id, path) as found:
            yield found

    def start(self, container: Container) -> None:
        """Start it; nothing if it runs already."""
        with self._client.guard() as api:
            try:
                api.start(container.id)
            except APIError as error:
                if is_engine_trouble(error):
                    raise
                raise start_error(error, self._image_of(api, container)) from error

    @staticmethod
    def _image_of(api: APIClient, container: Container) -> str:
        try:
            return str(api.inspect_container(container.id)["Config"]["Image"])
        except NotFound:
            return "?"

    def wait(self, container: Container, seconds: float) -> Container:
        """The container as soon as it does not run, or as it is after `seconds`."""
        with self._existing(container) as api:
            if seconds >= SHORTEST_WAIT_SECONDS:
                _wait_for_exit(api, container.id, seconds)
            inspected = api.inspect_container(container.id)
            if may_lack_memory(inspected):
                time.sleep(LATE_OOM_SECONDS)
                inspected = api.inspect_container(container.id)
            return from_inspection(inspected)

    def may_have_lost_the_end(self, container: Container) -> bool:
        """Whether the Engine was away at its end; see jobrunner.executors.docker.engine_absence."""
        with self._client.guard() as api:
            return was_away_at_end(api, container)

    def signal(self, execution_id: str, name: str) -> None:
        """Send a signal to the container; nothing if it does not run, or is not there."""
        self._unless_settled(lambda api: api.kill(self._name(execution_id), name))

    def remove(self, execution_id: str) -> None:
        """Remove the container and its anonymous volumes; nothing if it is gone, or going."""
        self._unless_settled(lambda api: api.remove_container(self._name(execution_id), v=True, force=True))

    def _unless_settled(self, call: Callable[[APIClient], None]) -> None:
        """Make a call for which 404 (not there) and 409 (does not run, or is being removed) mean: nothing to do."""
        with self._client.guard() as api:
            try:
                call(api)
            except APIError as error:
                if error.status_code not in (CONFLICT, requests.codes.not_found):
                    raise

    def usage(self, containers: Sequence[Container]) -> Mapping[str, ResourceUsage]:
        """A sample of each that runs; see jobrunner.executors.docker.usage."""
        return usage.sample(self._client, containers)

    def containers(self) -> list[Container]:
        """All containers of this farm on this Engine, as its list has them: without times and exit codes.

        To ask for these would be to wait for whoever reads files from one of them: the Engine locks it meanwhile.
        """
        of_this_farm = {"label": f"{FARM_LABEL}={self._farm_id}"}
        with self._client.guard() as api:
            return [from_listing(item) for item in api.containers(all=True, filters=of_this_farm)]

    def machine(self) -> Machine:
        """What the Engine's machine has."""
        with self._client.guard() as api:
            return machine_of(api.info(), is_here=self._settings.docker_host.startswith("unix:"))

    def check(self) -> str:
        """The Engine's version; EngineUnavailable within seconds if it does not answer."""
        return self._client.version()

    def _name(self, execution_id: str) -> str:
        return container_name(self._farm_id, execution_id)

    @contextmanager
    def _existing(self, container: Container) -> Iterator[APIClient]:
        """The guarded client, for calls about a container that must be there."""
        with self._client.guard() as api:
            try:
                yield api
            except NotFound:
                raise ContainerVanished("its container vanished from the Engine") from None


def _wait_for_exit(api: APIClient, container_id: str, seconds: float) -> None:
    """Return when the container does not run, or after `seconds`."""
    try:
        api.wait(container_id, timeout=(CONNECT_SECONDS, seconds))
    except (requests.ReadTimeout, requests.ConnectionError) as error:
        # Where the time limit passes in the body of an answer, requests has it as a ConnectionError.
        passed = isinstance(error, requests.ReadTimeout) or any(isinstance(a, ReadTimeoutError) for a in error.args)
        if not passed:
            raise
