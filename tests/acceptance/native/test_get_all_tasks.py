"""The document's section "Get all tasks": GET /tasks/."""

from __future__ import annotations

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


def test_the_only_task_is_listed_as_the_document_shows_it(new_farm: Farm) -> None:
    for _ in range(2):
        new_farm.post_job(task="test-wrkng")
    answers = [document(call(new_farm, "GET", path)) for path in sorted(spellings("/tasks/"))]
    assert_like(new_farm, "get_all_tasks.json", answers[0])
    assert answers == [answers[0]] * len(answers)
    (task,) = answers[0]["items"]
    assert task["createdAt"] <= task["lastModifiedAt"]
    assert document(call(new_farm, "GET", task["url"]))["taskId"] == "test-wrkng"


def test_all_tasks_are_found_by_following_the_urls_of_the_pages(farm: Farm) -> None:
    names = [f"page-{number}" for number in range(11)]
    for name in names:
        farm.post_job("true", task=name, startIn="1h")
    pages = [document(call(farm, "GET", "/tasks/"))]
    while pages[-1]["hasNext"]:
        pages.append(document(call(farm, "GET", pages[-1]["nextUrl"])))
    assert [page["page"] for page in pages] == list(range(1, pages[0]["pages"] + 1))
    assert [len(page["items"]) for page in pages[:-1]] == [pages[0]["perPage"]] * (len(pages) - 1)
    listed = [item["taskId"] for page in pages for item in page["items"]]
    assert len(listed) == len(set(listed)) == pages[0]["total"]
    assert set(names) < set(listed)
    assert pages[-1]["nextUrl"] is None
    for page, before in zip(pages[1:], pages, strict=False):
        assert page["hasPrev"]
        assert document(call(farm, "GET", page["prevUrl"]))["items"] == before["items"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", ""])
def test_a_page_that_is_no_number_is_refused(farm: Farm, page: str) -> None:
    assert_refused(call(farm, "GET", f"/tasks/?page={page}"), 400, "page")


def test_a_page_past_the_end_is_not_found(farm: Farm) -> None:
    assert_refused(call(farm, "GET", "/tasks/?page=1000"), 404, "page")


def test_only_get_is_allowed(farm: Farm) -> None:
    assert_wrong_methods_are_refused(farm, "/tasks/", "GET")
