"""GET /search/, which the document leaves open: whole words of task ids, paged as all tasks are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.farm import Farm
from tests.support.native_api import (
    assert_like,
    assert_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    spellings,
)

pytestmark = pytest.mark.services


def found(farm: Farm, query: str) -> list[str]:
    return [item["taskId"] for item in document(call(farm, "GET", f"/search/?query={query}"))["items"]]


def test_a_task_is_found_by_a_whole_word_of_its_id_in_the_form_of_all_tasks(farm: Farm) -> None:
    for _ in range(2):
        farm.post_job(task="hello-wide-world", startIn="1h")
    but: dict[str, Any] = {
        "items.*.taskId": "hello-wide-world",
        "items.*.url": f"{farm.url}/tasks/hello-wide-world",
    }
    for path in spellings("/search/"):
        assert_like(farm, "get_all_tasks.json", document(call(farm, "GET", f"{path}?query=world&page=1")), but)
    for query in ("hello", "wide", "WORLD", "hello-wide-world", "world+hello"):
        assert found(farm, query) == ["hello-wide-world"]
    for query in ("hel", "orld", "helloworld", "hello+moon"):
        assert found(farm, query) == []


def test_more_than_a_page_is_found_by_following_the_urls(farm: Farm) -> None:
    for number in range(11):
        farm.post_job(task=f"many-{number}", startIn="1h")
    first = document(call(farm, "GET", "/search/?query=many"))
    second = document(call(farm, "GET", first["nextUrl"]))
    assert [len(first["items"]), len(second["items"]), first["pages"], first["total"]] == [10, 1, 2, 11]
    assert (second["hasNext"], second["nextUrl"]) == (False, None)
    assert document(call(farm, "GET", second["prevUrl"]))["items"] == first["items"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "query"),
        ("?query=", 400, "query"),
        ("?query=a&page=0", 400, "page"),
        ("?query=a&page=99", 404, "page"),
    ],
)
def test_a_search_without_words_or_without_such_a_page_is_refused(
    farm: Farm, query: str, status: int, field: str
) -> None:
    assert_refused(call(farm, "GET", f"/search/{query}"), status, field)


def test_only_get_is_allowed(farm: Farm) -> None:
    assert_wrong_methods_are_refused(farm, "/search/", "GET")
