"""What the Docker executor asks the Engine for, of what a job says of its container."""

from __future__ import annotations

from typing import Any

import pytest

from jobrunner.container_rules import KEPT_CAPABILITIES, HostFolder
from jobrunner.domain.container_options import ContainerOptions
from jobrunner.executors.docker.container_options import container_arguments, host_arguments
from jobrunner.settings import Settings

SETTINGS = Settings(
    node_volumes={"models": HostFolder("/srv/models", read_only=True), "scratch": HostFolder("/srv/scratch")},
    container_pids_limit=100,
)


def host(**given: Any) -> dict[str, Any]:
    return host_arguments(ContainerOptions.model_validate(given), SETTINGS)


def test_the_defaults_are_the_safe_ones() -> None:
    asked = host()
    assert (asked["cap_drop"], set(asked["cap_add"])) == (["ALL"], KEPT_CAPABILITIES)
    assert asked["security_opt"] == ["no-new-privileges"]
    assert asked["pids_limit"] == 100
    assert asked["network_mode"] == "bridge"
    assert not asked["mounts"] and not asked["tmpfs"] and asked["init"] is None


def test_nothing_of_the_image_is_replaced_by_default() -> None:
    assert container_arguments(ContainerOptions()) == {"entrypoint": None, "working_dir": None, "user": None}


@pytest.mark.parametrize(("given", "words"), [([], []), ("a 'b c'", ["a", "b c"]), (["a", "b c"], ["a", "b c"])])
def test_an_entrypoint_is_asked_for_as_words_and_an_empty_one_is_not_none(given: Any, words: list[str]) -> None:
    assert container_arguments(ContainerOptions(entrypoint=given))["entrypoint"] == words


@pytest.mark.parametrize(("given", "limit"), [(None, 100), (50, 50), (500, 100)])
def test_a_job_has_no_more_processes_than_the_farm_allows(given: int | None, limit: int) -> None:
    assert host(pidsLimit=given)["pids_limit"] == limit


@pytest.mark.parametrize(
    ("name", "given", "read_only"),
    [
        ("models", None, True),
        ("models", True, True),
        ("scratch", None, False),
        ("scratch", True, True),
        ("scratch", False, False),
    ],
)
def test_a_volume_is_writable_only_where_node_and_job_have_it_so(name: str, given: Any, read_only: bool) -> None:
    (mount,) = host(volumes=[{"name": name, "target": "/v", "readOnly": given}])["mounts"]
    assert mount == {"Target": "/v", "Source": f"/srv/{name}", "Type": "bind", "ReadOnly": read_only}
