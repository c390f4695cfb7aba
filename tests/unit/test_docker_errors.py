"""The Engine's texts, as they were seen, and what the owner of the job reads."""

from __future__ import annotations

import ssl

import pytest
import requests
from docker.errors import APIError
from docker.errors import ImageNotFound as NoSuchImage

from jobrunner.domain.images import parse_image
from jobrunner.domain.outcomes import judge_error
from jobrunner.domain.states import State
from jobrunner.errors import (
    CommandNotExecutable,
    CommandNotFound,
    ContainerRejected,
    ContainerVanished,
    EngineDiskFull,
    ImageNotFound,
    ImagePullFailed,
    ImageRefused,
    JobrunnerError,
)
from jobrunner.executors.docker.errors import (
    LONGEST_REASON,
    create_error,
    engine_words,
    is_engine_trouble,
    is_refusal,
    pull_error,
    root_reason,
    start_error,
)

RUNC_1_1 = (
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
)
RUNC_1_0 = "OCI runtime create failed: container_linux.go:380: starting container process caused: "


def api_error(explanation: str, status: int = 400, kind: type[APIError] = APIError) -> APIError:
    response = requests.Response()
    response.status_code = status
    return kind("message", response=response, explanation=explanation)


@pytest.mark.parametrize("runc", [RUNC_1_0, RUNC_1_1])
@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            'exec: "nope": executable file not found in $PATH: unknown',
            CommandNotFound,
            'the image "i:1" has no command "nope"',
        ),
        (
            'exec: "/nope": stat /nope: no such file or directory: unknown',
            CommandNotFound,
            'the image "i:1" has no command "/nope"',
        ),
        (
            'exec: "no\\"pe \\n": executable file not found in $PATH: unknown',
            CommandNotFound,
            'the image "i:1" has no command "no\\"pe \\n"',
        ),
        (
            'exec: "/bin": permission denied: unknown',
            CommandNotExecutable,
            'the command "/bin" of the image "i:1" may not be executed',
        ),
        (
            'exec: "/bin": is a directory: unknown',
            CommandNotExecutable,
            'the command "/bin" of the image "i:1" may not be executed',
        ),
    ],
)
def test_a_command_that_cannot_run_is_told_in_words(
    runc: str, text: str, kind: type[JobrunnerError], words: str
) -> None:
    told = start_error(api_error(runc + text), "i:1")
    assert (type(told), str(told)) == (kind, words)


def test_a_missing_folder_is_not_taken_for_a_missing_command() -> None:
    told = start_error(
        api_error(RUNC_1_1 + "error during container init: mkdir /proc/x: no such file or directory: unknown"), "i:1"
    )
    assert type(told) is ContainerRejected
    assert str(told) == (
        "the Engine refused to start the container: unable to start container process: "
        "error during container init: mkdir /proc/x: no such file or directory"
    )


def test_a_container_that_is_not_there_has_vanished() -> None:
    assert type(start_error(api_error("No such container: abc", 404), "i:1")) is ContainerVanished


def test_a_container_whose_start_the_engine_has_forgotten_is_lost() -> None:
    """Engine 20.10, killed in the middle of a start and started again: whether anything runs, it does not know."""
    told = start_error(api_error(f"task {'0' * 62}ab: already exists"), "i:1")
    assert type(told) is ContainerVanished
    assert judge_error(told).state is State.LOST


def test_a_network_that_is_not_there_is_not_taken_for_a_container_that_vanished() -> None:
    told = start_error(api_error("network renderers not found", 404), "i:1")
    assert (type(told), str(told)) == (
        ContainerRejected,
        'container.networkMode: the node has no network "renderers"',
    )


def test_a_refusal_of_the_path_of_a_volume_does_not_show_the_path() -> None:
    told = create_error(
        api_error('invalid mount config for type "bind": bind source path does not exist: /srv/secret-project'), "i:1"
    )
    assert type(told) is ContainerRejected
    assert "the folder of a volume is not there" in str(told) and "secret-project" not in str(told)


def test_an_image_that_the_node_does_not_have_is_not_found() -> None:
    told = create_error(api_error("No such image: i:1", 404, NoSuchImage), "i:1")
    assert (type(told), str(told)) == (ImageNotFound, 'the node does not have the image "i:1"')


def test_an_image_without_a_command_is_told_in_words() -> None:
    told = create_error(api_error("No command specified"), "i:1")
    assert (type(told), str(told)) == (
        ContainerRejected,
        'the image "i:1" has no command of its own: the job must give one',
    )


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("manifest for i:1 not found: manifest unknown: manifest unknown", ImageNotFound),
        (
            "pull access denied for i, repository does not exist or may require 'docker login': denied: requested "
            "access to the resource is denied",
            ImageNotFound,
        ),
        ('Head "https://r/v2/i/manifests/1": unauthorized: authentication required', ImageRefused),
        ('Get "https://r/v2/": no basic auth credentials', ImageRefused),
        ("no matching manifest for linux/amd64 in the manifest list entries", ImageNotFound),
        ('Get "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host', ImagePullFailed),
        ('Get "http://r/v2/": dial tcp 10.0.0.1:1: connect: connection refused', ImagePullFailed),
        ('Get "https://r/v2/": net/http: request canceled (Client.Timeout exceeded)', ImagePullFailed),
        ('Get "https://r/v2/": http: server gave HTTP response to HTTPS client', ImagePullFailed),
        ('Get "https://r/v2/": x509: certificate signed by unknown authority', ImagePullFailed),
        ("unexpected EOF", ImagePullFailed),
        ("toomanyrequests: You have reached your pull rate limit", ImagePullFailed),
        ("received unexpected HTTP status: 503 Service Unavailable", ImagePullFailed),
        ("write /var/lib/docker/tmp/x: no space left on device", EngineDiskFull),
    ],
)
def test_a_pull_that_fails_says_whether_another_try_may_help(reason: str, kind: type[JobrunnerError]) -> None:
    told = pull_error(reason, parse_image("i:1"), with_credentials=False)
    assert type(told) is kind
    assert '"i:1"' in str(told) and reason in str(told)


@pytest.mark.parametrize(
    "text",
    [
        'connection error: desc = "transport: dial unix /run/containerd/containerd.sock: connection refused"',
        "client version 1.41 is too old. Minimum supported API version is 1.44",
        "failed to update the store state of sandbox: failed to update store for object type *libnetwork.sbState: "
        "open : no such file or directory",
    ],
)
def test_an_unwell_engine_is_no_fault_of_the_job(text: str) -> None:
    assert is_engine_trouble(api_error(text, 500))
    assert not is_engine_trouble(api_error("unable to find user ghost: no matching entries in passwd file", 500))


def test_the_engines_words_are_one_line_of_bounded_length() -> None:
    words = engine_words(api_error("first\n\nsecond " + "x" * 10_000))
    assert words.startswith("first second xxx")
    assert len(words) == LONGEST_REASON


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (PermissionError(13, "Permission denied"), True),
        (ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required"), True),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), False),
        (ConnectionRefusedError(111, "Connection refused"), False),
        (FileNotFoundError(2, "No such file or directory"), False),
    ],
)
def test_a_socket_or_a_certificate_that_is_not_for_us_is_told_from_an_engine_that_is_away(
    cause: OSError, expected: bool
) -> None:
    if isinstance(cause, ssl.SSLError):
        cause.reason = str(cause).split("SSL: ")[1].split("]")[0]
    wrapped = requests.ConnectionError("Connection aborted.")
    wrapped.__cause__ = cause
    assert is_refusal(wrapped) is expected


def test_the_reason_of_a_wrapped_error_is_its_first_cause() -> None:
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise requests.ConnectionError("('Connection aborted.', ...)") from error
    except requests.ConnectionError as error:
        assert root_reason(error) == "Connection refused"


@pytest.mark.parametrize(
    ("with_credentials", "words"), [(True, "does not take this node's login"), (False, "wants a login")]
)
def test_a_registry_that_refuses_says_whether_it_was_given_a_login(with_credentials: bool, words: str) -> None:
    told = pull_error(
        "unauthorized: no", parse_image("r:5000/i:1@sha256:" + "a" * 64), with_credentials=with_credentials
    )
    assert type(told) is ImageRefused
    assert words in str(told) and '"r:5000"' in str(told)


def test_a_full_disk_is_told_in_so_many_words() -> None:
    full = "mkdir /var/lib/docker/overlay2/5d: no space left on device"
    failures = (
        create_error(api_error(full, 500), "i:1"),
        start_error(api_error(full, 500), "i:1"),
        pull_error(f"failed to register layer: {full}", parse_image("i:1"), with_credentials=False),
    )
    for failure in failures:
        assert isinstance(failure, EngineDiskFull)
        assert str(failure).startswith("the disk of the node's Engine is full")
