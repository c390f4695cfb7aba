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
