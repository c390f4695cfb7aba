"""Commands for containers of tests, and a look at the containers of a farm past jobrunner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.models.containers import Container

from tests.support.farm import Farm

# A shell is process 1 of its container, and that gets no SIGTERM that it does not ask for.
SAYS_BYE = ("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")
IGNORES_SIGTERM = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")


# Prints the numbers from 1 on, to both streams, until SIGUSR1 comes; then "end". See `tell_to_end`.
_STEP = "i=$((i+1)); echo $i; echo $i >&2; sleep 0.05"
COUNTS_ON = ("sh", "-c", f"trap 'over=1' USR1; while [ -z \"$over\" ]; do {_STEP}; done; echo end")


def counts_to(number: int) -> tuple[str, ...]:
    """A command that prints the numbers from 1 on, ten a second, on both streams in turn."""
    step = "echo $i; echo $i >&2; sleep 0.1"
    return ("sh", "-c", f"i=1; while [ $i -le {number} ]; do {step}; i=$((i+1)); done")


def counted_to(number: int) -> bytes:
    """What it prints to each of them."""
    return b"".join(b"%d\n" % n for n in range(1, number + 1))


@contextmanager
def containers_of(farm: Farm) -> Iterator[list[Container]]:
    """All containers of a farm on the Engine, running or not."""
    engine = docker.from_env(timeout=30)
    try:
        label = f"jobrunner.farm={farm.name.replace('_', '-')}"
        yield engine.containers.list(all=True, filters={"label": label}, ignore_removed=True)
    finally:
        engine.close()


def container_ids(farm: Farm) -> set[str]:
    """The ids of all containers of a farm."""
    with containers_of(farm) as found:
        return {str(container.id) for container in found}


def tell_to_end(farm: Farm, container_id: str) -> None:
    """Have a container that counts on come to its end."""
    with containers_of(farm) as found:
        (container,) = [container for container in found if container.id == container_id]
        container.kill(signal="SIGUSR1")


def wait_for_exit(farm: Farm, container_id: str) -> None:
    """Return when the container has ended."""
    with containers_of(farm) as found:
        (container,) = [container for container in found if container.id == container_id]
        container.wait(timeout=20)


def counted_on(stdout: bytes, stderr: bytes) -> bool:
    """Whether this is all that such a container has printed, once and in order."""
    *numbers, end = stdout.splitlines(keepends=True)
    return end == b"end\n" and b"".join(numbers) == stderr == counted_to(len(numbers)) != b""
