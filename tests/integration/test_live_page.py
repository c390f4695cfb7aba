"""The stream page in a real browser: it follows, comes back, and shows whatever comes as text."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.states import State
from jobrunner.engine.finish import close
from tests.support.api_server import Server, running_api
from tests.support.browser import chromium
from tests.support.farm import wait_until

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_api(mongodb_url, redis_url, tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose every complaint (an error of the script, something that the policy forbids) fails the test."""
    with browser.new_page() as page:
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        yield page
        # That a connection broke, when the API is restarted, is no fault of the page.
        assert [complaint for complaint in complaints if "WebSocket connection to" not in complaint] == []


def lines(page: Page, stream: str) -> list[str]:
    """The lines of a stream, as they are shown."""
    texts = page.locator(f"#output .{stream}").all_text_contents()
    return [text.removeprefix("stderr: ") for text in texts]


def test_the_page_follows_to_the_end_and_says_how_it_ended(server: Server, page: Page) -> None:
    posted = server.running_job()
    page.goto(f"{posted['executionUrl']}/stream/")
    expect(page.locator("#state")).to_have_text("running")
    server.node.write(posted["executionId"], b"one\ntw", b"oops\n")
    expect(page.locator("#output .stderr")).to_have_count(1)
    server.node.write(posted["executionId"], b"o\nthree")
    expect(page.locator("#output .stdout")).to_have_count(3)
    server.node.advance(posted["executionId"], State.FAILED, exit_code=3, reason="exited with code 3")
    expect(page.locator("#state")).to_have_text("failed")
    expect(page.locator("#detail")).to_contain_text("exit code 3")
    assert (lines(page, "stdout"), lines(page, "stderr")) == (["one", "two", "three"], ["oops"])


def test_markup_in_the_output_is_shown_and_never_run(server: Server, page: Page) -> None:
    posted = server.farm.post_job(task="<b>task<i>")
    server.node.advance(posted["executionId"], State.PULLING, State.RUNNING)
    markup = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>&amp;"
    server.node.write(posted["executionId"], markup.encode() + b"\n", markup.encode())
    server.node.advance(posted["executionId"], State.DONE, exit_code=0)
    answer = page.goto(f"{posted['jobUrl']}/stream")
    expect(page.locator("#state")).to_have_text("done")
    assert lines(page, "stdout") == lines(page, "stderr") == [markup]
    assert page.locator("#output img, #output script, b, i").count() == 0
    assert page.title().startswith("<b>task<i>, job ")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_only_the_last_10_000_lines_are_held(server: Server, page: Page) -> None:
    posted = server.running_job()
    for start in range(0, 12_000, 3_000):
        content = "".join(f"{number}\n" for number in range(start, start + 3_000))
        server.node.write(posted["executionId"], content.encode())
    server.node.advance(posted["executionId"], State.DONE, exit_code=0)
    page.goto(f"{posted['executionUrl']}/stream/")
    expect(page.locator("#state")).to_have_text("done")
    assert lines(page, "stdout") == [str(number) for number in range(2_000, 12_000)]
    expect(page.locator("#cut")).to_be_visible()


def is_at_end(page: Page) -> bool:
    return bool(
        page.evaluate(
            "[document.getElementById('scroll')].every(s => s.scrollTop + s.clientHeight >= s.scrollHeight - 4)"
        )
    )


def test_the_end_is_followed_unless_one_has_scrolled_up(server: Server, page: Page) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"line\n" * 500)
    page.goto(f"{posted['executionUrl']}/stream/")
    expect(page.locator("#output .stdout")).to_have_count(500)
    wait_until(lambda: is_at_end(page), 30, "the end is shown")
    page.locator("#scroll").focus()
    page.keyboard.press("Home")
    follow = page.get_by_role("button", name="Follow the end")
    expect(follow).to_have_attribute("aria-pressed", "false")
    server.node.write(posted["executionId"], b"line\n" * 100)
    expect(page.locator("#output .stdout")).to_have_count(600)
    assert page.evaluate("document.getElementById('scroll').scrollTop") == 0
    follow.press("Enter")
    wait_until(lambda: is_at_end(page), 30, "the end is shown")


def test_a_stream_can_be_hidden(server: Server, page: Page) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"out\n", b"err\n")
    page.goto(f"{posted['executionUrl']}/stream/")
    expect(page.locator("#output .stderr")).to_be_visible()
    page.get_by_label("stderr").uncheck()
    expect(page.locator("#output .stderr")).to_be_hidden()
    expect(page.locator("#output .stdout")).to_be_visible()


def test_the_page_of_a_job_goes_on_with_the_next_attempt(server: Server, page: Page) -> None:
    posted = server.running_job(retries=1)
    first = server.node.execution(posted["executionId"])
    server.node.write(first.id, b"first\n")
    page.goto(f"{posted['jobUrl']}/stream/")
    expect(page.locator("#output .stdout")).to_have_count(1)
    close(server.node.farm, first, Outcome(State.FAILED, Cause.EXIT_CODE, "it failed", exit_code=1))
    expect(page.locator("#output .note")).to_contain_text("attempt 2")
    following = server.node.farm.store.executions.last_of_job(posted["jobId"])
    assert following is not None
    server.node.advance(following.id, State.ENQUEUED, State.PULLING, State.RUNNING)
    server.node.write(following.id, b"second\n")
    server.node.advance(following.id, State.DONE, exit_code=0)
    expect(page.locator("#state")).to_have_text("done")
    assert lines(page, "stdout") == ["first", "second"]


def test_after_a_restart_of_the_api_the_page_goes_on_without_a_line_lost_or_twice(server: Server, page: Page) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"1\n2\nthr")
    page.goto(f"{posted['executionUrl']}/stream/")
    expect(page.locator("#output .stdout")).to_have_count(3)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        server.farm.end("api", signum)
        server.node.write(posted["executionId"], b"ee\n4")
        server.farm.start_api()
    server.node.advance(posted["executionId"], State.DONE, exit_code=0)
    expect(page.locator("#state")).to_have_text("done")
    assert lines(page, "stdout") == ["1", "2", "three", "4ee", "4"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(server: Server, page: Page, scheme: str) -> None:
    posted = server.running_job()
    server.node.write(posted["executionId"], b"out\n", b"err\n")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{posted['executionUrl']}/stream/")
    for stream in ("stdout", "stderr"):
        line = page.locator(f"#output .{stream}").first
        assert contrast(line.evaluate("e => getComputedStyle(e).color"), _ground(line)) >= 4.5


def _ground(line: Locator) -> str:
    own = str(line.evaluate("e => getComputedStyle(e).backgroundColor"))
    return (
        str(line.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        if own == "rgba(0, 0, 0, 0)"
        else own
    )


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2 for two colours as a browser writes them: rgb(r, g, b)."""
    darker, lighter = sorted(_luminance(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
