"""Every error that jobrunner raises on purpose.

JobrunnerError
├── SettingsError           the configuration cannot be used
├── BackupUnusable          a backup cannot be put back
├── RequestError            the caller asked for something that cannot be
│   ├── InvalidRequest      ... because of these fields, for these reasons
│   ├── NotFound            ... because it does not exist
│   ├── Conflict            ... because of the state it is in
│   │   └── InProgress          somebody is at work on the same request
│   ├── Gone                ... because it was, and is kept no longer
│   ├── Unauthenticated     ... because it has not said who it is
│   ├── Forbidden           ... because its key does not allow it
│   └── TooManyRequests     ... too often, or too much at once
├── ServiceUnavailable      a service we need does not answer; worth another try
│   ├── StoreUnavailable        MongoDB
│   ├── QueueUnavailable        Redis
│   ├── EngineUnavailable       the Docker Engine of a node
│   ├── Ending                  this process, which ends
│   └── Busy                    this process, which has too much to do
├── ContainerError          a container could not be had; becomes the outcome of its execution
│   ├── ImageNotFound
│   ├── ImagePullFailed         (worth another try)
│   ├── ImageRefused            its registry wants other credentials, or any
│   ├── CommandNotFound
│   ├── CommandNotExecutable
│   ├── InputMissing            a file that was to be in it is not there any more
│   ├── ContainerRejected       the Engine refused to create or start it
│   ├── EngineDiskFull          ... since there is no room for it; any other one would fare the same
│   └── ContainerVanished       it was there, and is not any more
├── ContentGone             bytes of a stored file are not there (any more)
├── PathMissing             a container has nothing at a path
└── Superseded              another run of the same execution has taken over; write no more
"""

from __future__ import annotations

from dataclasses import dataclass


class JobrunnerError(Exception):
    """The root of the tree."""

    worth_a_retry = False


class SettingsError(JobrunnerError):
    """The configuration cannot be used; the message lists every fault found."""


class BackupUnusable(JobrunnerError):
    """A backup cannot be put back; the message says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The backup cannot be restored: {reason}.")


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field of a request: its dotted name, and why, in words for the caller."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


class RequestError(JobrunnerError):
    """The caller asked for something that cannot be; nothing was changed."""


class InvalidRequest(RequestError):
    """Some fields of a request are unusable. `faults` names each of them."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class NotFound(RequestError):
    """There is no such task, job, execution or node."""

    def __init__(self, field: str, identifier: str) -> None:
        super().__init__(f"{field}: there is no {identifier!r}")
        self.fault = Fault(field, f"there is no {identifier!r}")


class Conflict(RequestError):
    """What was asked for does not fit the state that the thing is in."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.fault = Fault(field, reason)


class Gone(RequestError):
    """What was asked for was there once, and is kept no longer."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.fault = Fault(field, reason)


class Unauthenticated(RequestError):
    """The caller has presented no API key, or one that is not good (any more)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"key: {reason}")
        self.fault = Fault("key", reason)


class Forbidden(RequestError):
    """The caller's API key does not allow what was asked for."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.fault = Fault(field, reason)


class TooManyRequests(RequestError):
    """The caller has asked too often, or has too much under way. Worth another try after `retry_after_seconds`."""

    def __init__(self, field: str, reason: str, retry_after_seconds: float) -> None:
        super().__init__(f"{field}: {reason}")
        self.fault = Fault(field, reason)
        self.retry_after_seconds = retry_after_seconds


class InProgress(Conflict):
    """The same request is being worked on. `retry_after_seconds`: then that is over."""

    def __init__(self, field: str, retry_after_seconds: int) -> None:
        super().__init__(field, "belongs to a request that is being worked on; try again in a moment")
        self.retry_after_seconds = retry_after_seconds


class ServiceUnavailable(JobrunnerError):
    """A service that jobrunner needs does not answer at present.

    `is_refusal`: it answers, and will not have us as we are configured. That does not pass by itself.
    """

    worth_a_retry = True
    service = "service"

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


class StoreUnavailable(ServiceUnavailable):
    """MongoDB does not answer."""

    service = "mongo"


class QueueUnavailable(ServiceUnavailable):
    """Redis does not answer."""

    service = "redis"


class EngineUnavailable(ServiceUnavailable):
    """The Docker Engine of a node does not answer."""

    service = "docker"


class Ending(ServiceUnavailable):
    """This process is to end; another one will answer."""

    service = "api"


class Busy(ServiceUnavailable):
    """This process has as much to do as it may."""

    service = "api"


class ContainerError(JobrunnerError):
    """A container could not be had. The message says why, in words for the owner of the job."""


class ImageNotFound(ContainerError):
    """Neither the node nor its registry has the image, or the registry does not give it to us."""


class ImagePullFailed(ContainerError):
    """The registry could not be reached, or broke off."""

    worth_a_retry = True


class ImageRefused(ContainerError):
    """The registry does not take the farm's credentials, or asks for some and the farm has none."""


class CommandNotFound(ContainerError):
    """The image has no such program (exit code 127 in a shell and in `docker run`)."""

    exit_code = 127


class CommandNotExecutable(ContainerError):
    """The program is there but may not be executed (exit code 126 in a shell and in `docker run`)."""

    exit_code = 126


class InputMissing(ContainerError):
    """A file that was to be in the container before its start is not there any more."""


class ContainerRejected(ContainerError):
    """The Engine refused to create or to start the container."""


class EngineDiskFull(ContainerError):
    """The disk of the node's Engine has no room for the image, or for the container."""

    worth_a_retry = True


class ContainerVanished(ContainerError):
    """The container was created for this execution and is not there any more."""

    worth_a_retry = True


class ContentGone(JobrunnerError):
    """Bytes of a stored file are not there, or not any more."""


class PathMissing(JobrunnerError):
    """A container has nothing at a path."""


class Superseded(JobrunnerError):
    """Another run holds this execution now (a newer claim number): this one may write nothing more."""
