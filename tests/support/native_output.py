"""What the document's sections of output have in common: text to the byte, its type, the exit code in the headers."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.farm import Farm, wait_until
from tests.support.native_api import Ids, call, spellings, text

EXIT_CODE_HEADERS = ("Fastlane-Exit-Code", "Jobrunner-Exit-Code")


def assert_written(farm: Farm, path: str, written: str, exit_code: int | None) -> None:
    """The text at a path, in all ways to write it, with the exit code where there is one."""
    for spelt in spellings(path):
        answer = call(farm, "GET", spelt)
        assert text(answer) == written.encode()
        shown = None if exit_code is None else str(exit_code)
        assert [answer.headers.get(name) for name in EXIT_CODE_HEADERS] == [shown, shown]
        head = call(farm, "HEAD", spelt)
        assert (head.status_code, head.content, head.headers.get("Fastlane-Exit-Code")) == (200, b"", shown)


def assert_written_while_running(farm: Farm, path_of: Callable[[Ids], str], redirection: str) -> None:
    """What a container writes can be read before it ends, and has no exit code yet."""
    posted = farm.post_job("sh", "-c", f"echo so far {redirection}; sleep 100", stopGrace=0)
    wait_until(lambda: text(call(farm, "GET", path_of(posted))) == b"so far\n", 30, "the line can be read")
    assert "Fastlane-Exit-Code" not in call(farm, "GET", path_of(posted)).headers
    call(farm, "POST", f"{posted['executionUrl']}/stop/")
    farm.wait_for_status(posted, "stopped")
    answer = call(farm, "GET", path_of(posted))
    assert (text(answer), answer.headers["Fastlane-Exit-Code"]) == (b"so far\n", "137")
