"""Rules by task id, labels, and sizes, as a configuration and a job write them."""

from __future__ import annotations

import pytest

from jobrunner.domain.resources import ResourceRequest, Resources, size_in_words
from jobrunner.errors import SettingsError
from jobrunner.rules import PoolRule, first_match
from jobrunner.settings import Settings, load_settings

POOLS = '[{"match": "render-", "pool": "render", "maxRunning": 2}, {"match": "", "pool": "rest"}]'


def test_the_first_rule_that_matches_counts_and_an_empty_one_matches_all() -> None:
    rules = Settings(pools=POOLS).pools
    assert first_match(rules, "render-42") == PoolRule(match="render-", pool="render", maxRunning=2)
    assert first_match(rules, "not-render-42") == PoolRule(match="", pool="rest")
    assert first_match((), "any") is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("POOLS", "[", "must be a list in JSON"),
        ("POOLS", '[{"match": "("}]', "is no regular expression"),
        ("POOLS", '[{"match": "", "maxRunning": 0}]', "greater than or equal to 1"),
        ("POOLS", '[{"match": "", "most": 1}]', "most"),
        ("TASK_LIMITS", '[{"match": ""}]', "most"),
        ("NODE_LABELS", "zone", "must be labels such as"),
        ("NODE_POOLS", "a b", "must be 1 to 64"),
    ],
)
def test_a_rule_that_cannot_be_used_is_a_fault_of_the_configuration(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        load_settings(environ={f"JOBRUNNER_{name}": value})


def test_labels_and_pools_are_read_from_a_line() -> None:
    settings = Settings(node_labels="zone=a, gpu = no,x=", node_pools="default, render")
    assert settings.node_labels == {"zone": "a", "gpu": "no", "x": ""}
    assert settings.node_pools == ("default", "render")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("512m", 2**29), ("1g", 2**30), ("1.5G", 3 * 2**29), ("64 MiB", 2**26), ("7000000", 7_000_000), (2**30, 2**30)],
)
def test_a_size_is_a_number_of_bytes_or_text(text: str | int, size_bytes: int) -> None:
    assert ResourceRequest(memory=text).memory == size_bytes


def test_what_is_asked_for_is_amounts_and_a_slot() -> None:
    asked = ResourceRequest(cpu=0.5, memory="256m", gpu=1)
    assert asked.needs == Resources(slots=1, cpu_millis=500, memory_bytes=2**28, gpus=1)
    assert Resources.from_text(asked.needs.to_text()) == asked.needs


def test_what_is_not_needed_is_not_lacking_although_too_much_is_given_away() -> None:
    free = Resources(slots=1, cpu_millis=-500, memory_bytes=10)
    assert free.lacks(Resources(slots=1)) == []
    assert free.lacks(Resources(slots=2, cpu_millis=1, memory_bytes=10)) == ["slots", "cpu_millis"]


def test_sizes_are_said_in_their_largest_unit() -> None:
    assert [size_in_words(size) for size in (0, 1023, 2**20, 3 * 2**29)] == ["0", "1023", "1m", "1.5g"]
