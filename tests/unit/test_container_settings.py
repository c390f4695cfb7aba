"""What the configuration of a farm says of containers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobrunner.container_rules import Capability, ContainerRules, HostFolder
from jobrunner.settings import Settings


def test_volumes_are_named_folders_of_the_node() -> None:
    settings = Settings(node_volumes="models=/srv/models:ro, scratch=/srv//scratch/,x.y-z=/a b:rw")  # type: ignore[arg-type]
    assert settings.node_volumes == {
        "models": HostFolder("/srv/models", read_only=True),
        "scratch": HostFolder("/srv/scratch"),
        "x.y-z": HostFolder("/a b"),
    }


@pytest.mark.parametrize(
    "text",
    ["/srv", "a=srv", "a=/", "a=//", "a=/srv/../etc", "a=/x,a=/y", "a b=/x", "a=/x:rx", "=/x", "a=/x:ro:ro", "a="],
)
def test_a_volume_that_is_not_like_that_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="node_volumes"):
        Settings(node_volumes=text)  # type: ignore[arg-type]


@pytest.mark.parametrize("inner", ["sub=/srv/x/sub", "sub=/srv/x/a/b:ro"])
def test_no_volume_lies_inside_one_that_a_job_may_write_since_it_could_put_a_link_there(inner: str) -> None:
    with pytest.raises(ValidationError, match="'sub' must not lie in 'x', which jobs may write"):
        Settings(node_volumes=f"{inner}, x=/srv/x")  # type: ignore[arg-type]
    assert Settings(node_volumes=f"{inner}, x=/srv/x:ro, y=/srv/xy")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("container_networks", "container:abc"),
        ("container_networks", "a b"),
        ("container_capabilities", "ALL"),
        ("container_capabilities", "NET_RWA"),
        ("container_pids_limit", 0),
    ],
)
def test_a_rule_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


def test_by_default_nothing_is_allowed_beyond_what_every_job_may() -> None:
    assert Settings().container_rules == ContainerRules()
    assert not Settings().node_volumes
    assert Settings().container_pids_limit == 4096


def test_rules_are_lists_parted_by_commas() -> None:
    settings = Settings(
        container_networks="renderers, host",  # type: ignore[arg-type]
        container_capabilities="cap_net_raw,SYS_NICE",  # type: ignore[arg-type]
        container_allow_new_privileges=True,
    )
    assert settings.container_rules == ContainerRules(
        networks=frozenset({"renderers", "host"}),
        capabilities=frozenset({Capability.NET_RAW, Capability.SYS_NICE}),
        new_privileges=True,
    )
