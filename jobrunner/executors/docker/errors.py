"""The Engine's errors, in words for the owner of a job. The texts are those of Docker Engine 20.10 to 28 and runc."""

from __future__ import annotations

import re
import ssl

from docker.errors import APIError
from docker.errors import ImageNotFound as NoSuchImage

from jobrunner.domain.images import ImageReference
from jobrunner.errors import (
    CommandNotExecutable,
    CommandNotFound,
    ContainerError,
    ContainerRejected,
    ContainerVanished,
    EngineDiskFull,
    ImageNotFound,
    ImagePullFailed,
    ImageRefused,
)

LONGEST_REASON = 500
NOISE = re.compile(r"(?:failed to create (?:shim )?task[^:]*|OCI runtime create failed|runc create failed): ")
EXEC_FAILED = re.compile(r'exec: "(?P<program>(?:[^"\\]|\\.)*)": (?P<reason>.*)', re.DOTALL)
NOT_EXECUTABLE = ("permission denied", "is a directory")
NO_PROGRAM = ("executable file not found", "no such file or directory")
ENGINE_TROUBLE = (  # the Engine's own fault, not the job's
    "containerd.sock",
    "transport is closing",
    "ttrpc: closed",
    "shutting down",
    "client version",
    ": open : no such file",  # its store of networks, which it closes first when it ends
)
BAD_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA")  # in what OpenSSL names the reason
UNREACHABLE_REGISTRY = (
    "dial tcp",
    "no such host",
    "connection refused",
    "connection reset",
    "timeout",
    "deadline exceeded",
    "eof",
    "server gave http response",
    "x509",
)
REFUSED = (
    "unauthorized",
    "no basic auth credentials",
    "authentication required",
    "incorrect username or password",
    "403 forbidden",
)
NOT_TOLD = "does not exist or may require"  # Docker Hub does not say which
IMAGE_NOT_GIVEN = (
    "manifest unknown",
    "name unknown",
    "not found",
    "does not exist",
    "no matching manifest",
    "denied",
)
# What an Engine says that was killed while it started the container: it has forgotten that, and containerd has not.
START_FORGOTTEN = re.compile(r"task [0-9a-f]{64}: already exists")
NO_NETWORK = re.compile(r"network (?P<name>\S+) not found")
NO_FOLDER = "bind source path does not exist"
FULL_DISK = "no space left on device"


def engine_words(error: APIError) -> str:
    """What the Engine said, in one line of bounded length, without the layers that it came through."""
    return _one_line(NOISE.sub("", str(error.explanation or error)).removesuffix(": unknown"))


def root_cause(error: BaseException) -> BaseException:
    """The first cause of an error that libraries have wrapped."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def root_reason(error: BaseException) -> str:
    """That cause in one line: `Connection refused`."""
    cause = root_cause(error)
    return _one_line(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)


def is_refusal(error: BaseException) -> bool:
    """Whether the Engine cannot be reached for who we are, or who it is: a socket or a certificate is at fault."""
    cause = root_cause(error)
    if isinstance(cause, ssl.SSLError):
        return any(word in str(cause.reason) for word in BAD_CERTIFICATE)
    return isinstance(cause, PermissionError)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 1] + "…"


def is_engine_trouble(error: APIError) -> bool:
    """Whether the Engine is unwell, as against refusing what it was asked."""
    words = str(error.explanation).lower()
    return error.status_code == 503 or any(marker in words for marker in ENGINE_TROUBLE)


def is_no_container(error: APIError) -> bool:
    """Whether there is no such container, as against no such path in it."""
    return error.status_code == 404 and "no such container" in str(error.explanation).lower()


def create_error(error: APIError, image: str) -> ContainerError:
    """Why a container was not created."""
    if isinstance(error, NoSuchImage):
        return ImageNotFound(f'the node does not have the image "{image}"')
    if "no command specified" in str(error.explanation).lower():
        return ContainerRejected(f'the image "{image}" has no command of its own: the job must give one')
    if NO_FOLDER in str(error.explanation).lower():
        return ContainerRejected("the folder of a volume is not there on the node (its setting node_volumes)")
    return _rejected("create", error)


def start_error(error: APIError, image: str) -> ContainerError:
    """Why a container was not started."""
    failed = EXEC_FAILED.search(str(error.explanation))
    if failed and any(marker in failed["reason"] for marker in NOT_EXECUTABLE):
        return CommandNotExecutable(f'the command "{failed["program"]}" of the image "{image}" may not be executed')
    if failed and any(marker in failed["reason"] for marker in NO_PROGRAM):
        return CommandNotFound(f'the image "{image}" has no command "{failed["program"]}"')
    if missing := NO_NETWORK.search(str(error.explanation)):
        return ContainerRejected(f'container.networkMode: the node has no network "{missing["name"]}"')
    if error.status_code == 404:
        return ContainerVanished("its container vanished before it was started")
    if START_FORGOTTEN.search(str(error.explanation)):
        return ContainerVanished("the Engine ended while it started the container, and does not know what became of it")
    return _rejected("start", error)


def _rejected(what: str, error: APIError) -> ContainerError:
    words = engine_words(error)
    if FULL_DISK in words.lower():
        return EngineDiskFull(f"the disk of the node's Engine is full; it could not {what} the container: {words}")
    return ContainerRejected(f"the Engine refused to {what} the container: {words}")


def pull_error(reason: str, image: ImageReference, *, with_credentials: bool) -> ContainerError:
    """Why an image did not come, from what the Engine said about it."""
    words = reason.lower()
    if FULL_DISK in words:
        full = "the disk of the node's Engine is full"
        return EngineDiskFull(f'{full}; the image "{image}" could not be pulled: {_one_line(reason)}')
    if NOT_TOLD not in words and any(marker in words for marker in REFUSED):
        why = "does not take this node's login" if with_credentials else "wants a login, and this node has none for it"
        return ImageRefused(f'the registry "{image.registry}" of the image "{image}" {why}: {_one_line(reason)}')
    if any(marker in words for marker in UNREACHABLE_REGISTRY):
        return ImagePullFailed(f'the registry of the image "{image}" could not be reached: {_one_line(reason)}')
    if any(marker in words for marker in IMAGE_NOT_GIVEN):
        return ImageNotFound(f'its registry does not have the image "{image}", or refuses it: {_one_line(reason)}')
    return ImagePullFailed(f'the image "{image}" could not be pulled: {_one_line(reason)}')
