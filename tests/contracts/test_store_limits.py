"""What the store promises of limits: never more executions counted than may be, whoever asks at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from jobrunner.domain.ports.store import Store


def test_no_more_are_counted_than_may_be(store: Store) -> None:
    assert [store.limits.hold("group:a", execution, 2) for execution in "xyz"] == [True, True, False]
    assert store.limits.holders("group:a") == ["x", "y"]
    store.limits.free("group:a", "x")
    assert store.limits.hold("group:a", "z", 2)


def test_one_that_is_counted_already_is_not_counted_twice_nor_refused(store: Store) -> None:
    assert store.limits.hold("group:a", "x", 1)
    assert store.limits.hold("group:a", "x", 1)
    assert store.limits.holders("group:a") == ["x"]


def test_each_limit_counts_for_itself_and_one_under_which_nothing_is_counted_can_be_forgotten(store: Store) -> None:
    store.limits.hold("group:a", "x", 1)
    store.limits.hold("task:render.$é", "x", 1)
    store.limits.free("group:a", "x")
    store.limits.free("unknown", "x")
    assert store.limits.all() == {"group:a": [], "task:render.$é": ["x"]}
    store.limits.forget_unused(["group:a", "task:render.$é", "unknown"])
    assert store.limits.all() == {"task:render.$é": ["x"]}
    assert store.limits.holders("group:a") == []


def test_where_many_ask_at_once_no_more_than_may_be_are_counted(mongodb: Store) -> None:
    for name, most in (("group:a", 1), ("group:b", 3)):
        with ThreadPoolExecutor(16) as threads:
            counted = list(threads.map(lambda number: mongodb.limits.hold(name, str(number), most), range(64)))  # noqa: B023
        assert sum(counted) == most == len(mongodb.limits.holders(name))
