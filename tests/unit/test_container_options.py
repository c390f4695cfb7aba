"""What a job may say of its container: every fault under its full key; what is left out is the safe choice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunner.api.native.job_spec import parse_spec
from jobrunner.container_rules import KEPT_CAPABILITIES, Capability, ContainerRules, HostFolder
from jobrunner.domain.container_options import ContainerOptions
from jobrunner.errors import InvalidRequest

EVERYTHING = {
    "entrypoint": ["python3", "-u"],
    "workingDirectory": "/app",
    "user": "1000:1000",
    "init": True,
    "readOnlyRoot": True,
    "tmpfs": {"/tmp": 67108864},
    "shmSize": 1048576,
    "volumes": [{"name": "models", "target": "/models", "readOnly": True}],
    "networkMode": "none",
    "capDrop": ["ALL"],
    "capAdd": ["CHOWN"],
    "ulimits": {"nofile": {"soft": 1024, "hard": 2048}},
    "pidsLimit": 64,
    "labels": {"team": "render"},
}


def options(**given: Any) -> ContainerOptions:
    return parse_spec(json.dumps({"image": "a", "container": given}).encode()).container


def faults_of(container: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        parse_spec(json.dumps({"image": "a", "container": container}).encode())
    return {fault.field: fault.reason for fault in refused.value.faults}


def test_all_of_it_is_taken_stored_and_shown_as_it_was_given() -> None:
    spec = parse_spec(json.dumps({"image": "a", "container": EVERYTHING}).encode())
    stored = type(spec).model_validate_json(spec.to_json())
    assert stored == spec
    assert stored.container.model_dump(mode="json", by_alias=True, exclude_unset=True) == EVERYTHING


def test_a_job_may_say_anything_that_there_is() -> None:
    assert {field.alias for field in ContainerOptions.model_fields.values()} == {*EVERYTHING, "allowNewPrivileges"}


@pytest.mark.parametrize(
    ("container", "field", "reason"),
    [
        ([], "", "must be an object"),
        ({"privileged": True}, ".privileged", "is not a known key; known keys are allowNewPrivileges, capAdd,"),
        ({"pidMode": "host"}, ".pidMode", "is not a known key"),
        ({"devices": []}, ".devices", "is not a known key"),
        ({"securityOpt": []}, ".securityOpt", "is not a known key"),
        ({"entrypoint": 1}, ".entrypoint", "must be a string, or a list of strings"),
        ({"entrypoint": ""}, ".entrypoint", "must not be empty"),
        ({"entrypoint": "sh '"}, ".entrypoint", "cannot be split"),
        ({"workingDirectory": "work"}, ".workingDirectory", "must be an absolute path"),
        ({"workingDirectory": "/a/../b"}, ".workingDirectory", "must be an absolute path without '..'"),
        ({"user": True}, ".user", "must be a user"),
        ({"user": "a b"}, ".user", "must be a user"),
        ({"user": "root\n"}, ".user", "must be a user"),
        ({"user": 2**31}, ".user", "must have numbers of at most 2147483647"),
        ({"init": "yes"}, ".init", "must be true or false"),
        ({"readOnlyRoot": 1}, ".readOnlyRoot", "must be true or false"),
        ({"tmpfs": {"/tmp": "big"}}, ".tmpfs./tmp", "must be a number of bytes, or a size such as '512m'"),
        ({"tmpfs": {"/tmp": 1}}, ".tmpfs./tmp", "must be at least 4096"),
        ({"tmpfs": {"/": "1m"}}, ".tmpfs./", "must not be the root, or in /proc, /sys or /dev"),
        ({"tmpfs": {"//proc//x": "1m"}}, ".tmpfs.//proc//x", "must not be the root, or in /proc"),
        ({"tmpfs": {"/a,exec": "1m"}}, ".tmpfs./a,exec", "must not contain ','"),
        ({"shmSize": "2p"}, ".shmSize", "must be a number of bytes"),
        ({"volumes": {}}, ".volumes", "must be a list"),
        ({"volumes": [{"target": "/a"}]}, ".volumes.0.name", "is required"),
        ({"volumes": [{"name": "/etc", "target": "/a"}]}, ".volumes.0.name", "must match"),
        ({"volumes": [{"name": "a", "target": "a"}]}, ".volumes.0.target", "must be an absolute path"),
        ({"volumes": [{"name": "a", "target": "/dev"}]}, ".volumes.0.target", "must not be the root, or in"),
        ({"volumes": [{"name": "a", "target": "/a", "source": "/"}]}, ".volumes.0.source", "keys are name, readOnly,"),
        ({"volumes": [{"name": "a", "target": "/a"}], "tmpfs": {"/a": "1m"}}, "", "mounted twice at /a"),
        ({"networkMode": "container:abc"}, ".networkMode", "must be bridge, none, host, or the name of a network"),
        ({"networkMode": "host\n"}, ".networkMode", "must be bridge, none, host"),
        ({"capAdd": ["ALL"]}, ".capAdd.0", "must be 'AUDIT_CONTROL', "),
        ({"capAdd": "NET_RAW"}, ".capAdd", "must be a list"),
        ({"capDrop": ["CHOWN", "CHWON"]}, ".capDrop.1", "must be ALL, or a capability"),
        ({"allowNewPrivileges": "no"}, ".allowNewPrivileges", "must be true or false"),
        ({"ulimits": {"rtprio": 1}}, ".ulimits.rtprio", "must be 'core', 'cpu', 'data'"),
        ({"ulimits": {"nofile": "many"}}, ".ulimits.nofile", "must be an object"),
        ({"ulimits": {"nofile": {"soft": 1}}}, ".ulimits.nofile.hard", "is required"),
        ({"ulimits": {"nofile": {"soft": 2, "hard": 1}}}, ".ulimits.nofile", "soft must not be above hard"),
        ({"ulimits": {"nofile": {"soft": -1, "hard": 1}}}, ".ulimits.nofile", "soft must not be above hard"),
        ({"ulimits": {"core": {"soft": 0, "hard": 0, "x": 0}}}, ".ulimits.core.x", "known keys are hard, soft"),
        ({"pidsLimit": 0}, ".pidsLimit", "must be at least 1"),
        ({"labels": {"a": 1}}, ".labels.a", "must be a string"),
        ({"labels": {"jobrunner.farm": "x"}}, ".labels.jobrunner.farm", "must not be empty, or begin with jobrunner."),
        ({"labels": {"JobRunner.node": "x"}}, ".labels.JobRunner.node", "must not be empty, or begin with"),
        ({"labels": {"com.docker.compose.project": "x"}}, ".labels.com.docker.compose.project", "must not be empty"),
    ],
)
def test_a_fault_is_named_by_its_full_key_and_is_the_only_one(container: Any, field: str, reason: str) -> None:
    faults = faults_of(container)
    assert set(faults) == {f"container{field}"}
    assert reason in faults[f"container{field}"]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/a", "1m", "ALL"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("nofile"), inner),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*EVERYTHING, "privileged"]), _VALUES, min_size=1, max_size=4))
def test_whatever_is_given_is_taken_and_kept_or_refused_by_its_key(container: dict[str, Any]) -> None:
    try:
        spec = parse_spec(json.dumps({"image": "a", "container": container}).encode())
    except InvalidRequest as refused:
        assert all(fault.field.startswith(("container", "body")) and fault.reason for fault in refused.faults)
    else:
        assert "privileged" not in container
        assert type(spec).model_validate_json(spec.to_json()) == spec


def test_what_is_written_in_other_ways_is_the_same() -> None:
    given = options(user=0, capAdd=["cap_net_raw"], ulimits={"nofile": 9}, tmpfs={"/tmp/": "4k"})
    same = options(user="0", capAdd=["NET_RAW"], ulimits={"nofile": {"soft": 9, "hard": 9}}, tmpfs={"/tmp": 4096})
    assert given == same


# --------------------------------------------------------------------------------------------------- capabilities


def test_by_default_nobody_can_forge_packets_make_devices_or_administer_anything() -> None:
    dangerous = {
        Capability.NET_RAW,
        Capability.MKNOD,
        Capability.SYS_ADMIN,
        Capability.SYS_PTRACE,
        Capability.NET_ADMIN,
    }
    assert options().capabilities == KEPT_CAPABILITIES
    assert not options().capabilities & dangerous


@pytest.mark.parametrize(
    ("given", "capabilities"),
    [
        ({"capDrop": ["ALL"]}, set()),
        ({"capDrop": ["ALL"], "capAdd": ["CHOWN"]}, {"CHOWN"}),
        ({"capDrop": ["CHOWN"]}, KEPT_CAPABILITIES - {"CHOWN"}),
        ({"capDrop": ["CHOWN"], "capAdd": ["CHOWN"]}, KEPT_CAPABILITIES),
        ({"capAdd": ["NET_RAW"]}, KEPT_CAPABILITIES | {"NET_RAW"}),
    ],
)
def test_what_is_dropped_goes_first_and_what_is_added_comes_after_it(given: Any, capabilities: Any) -> None:
    assert options(**given).capabilities == capabilities


# ------------------------------------------------------------------------------------------------- rules of a farm


@pytest.mark.parametrize(
    ("given", "field", "rules"),
    [
        ({"networkMode": "host"}, "container.networkMode", ContainerRules(networks=frozenset({"host"}))),
        ({"networkMode": "renderers"}, "container.networkMode", ContainerRules(networks=frozenset({"renderers"}))),
        (
            {"capAdd": ["CHOWN", "NET_RAW"]},
            "container.capAdd.1",
            ContainerRules(capabilities=frozenset({Capability.NET_RAW})),
        ),
        ({"allowNewPrivileges": True}, "container.allowNewPrivileges", ContainerRules(new_privileges=True)),
    ],
)
def test_only_a_rule_of_the_farm_allows_what_is_not_safe(given: Any, field: str, rules: ContainerRules) -> None:
    assert [fault.field for fault in options(**given).faults(ContainerRules())] == [field]
    assert list(options(**given).faults(rules)) == []


@pytest.mark.parametrize("given", [{}, {"networkMode": "bridge"}, {"networkMode": "none"}, {"capDrop": ["ALL"]}])
def test_what_is_safe_needs_no_rule(given: Any) -> None:
    assert list(options(**given).faults(ContainerRules())) == []


def test_a_volume_is_only_mounted_as_the_node_has_it() -> None:
    volumes = {"models": HostFolder("/srv/models", read_only=True), "scratch": HostFolder("/srv/scratch")}
    wanted = [
        {"name": "models", "target": "/a"},
        {"name": "models", "target": "/b", "readOnly": True},
        {"name": "models", "target": "/c", "readOnly": False},
        {"name": "scratch", "target": "/d", "readOnly": False},
        {"name": "nowhere", "target": "/e"},
    ]
    faults = {fault.field: fault.reason for fault in options(volumes=wanted).volume_faults(volumes)}
    assert faults == {
        "container.volumes.2.readOnly": "the volume 'models' of the node can only be read",
        "container.volumes.4.name": "the node has no volume 'nowhere'",
    }
