"""References to container images: [registry[:port]/]name[:tag][@digest].

The grammar is that of the distribution project (github.com/distribution/reference), which the Docker Engine uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\]"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?:{_HOST})(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
LONGEST_NAME = 255
DOCKER_HUB = "docker.io"


class PullPolicy(StrEnum):
    """When a node asks the registry for an image: if it does not have it, at every start, or never."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class ImageReference:
    """An image by name, and by tag or digest. `str()` gives the form that the Engine takes."""

    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def registry(self) -> str:
        """The host of its registry, with the port where there is one; `docker.io` where the name has no host."""
        host, slash, _ = self.name.partition("/")
        is_host = slash and ("." in host or ":" in host or host == "localhost" or host != host.lower())
        return host.lower() if is_host else DOCKER_HUB

    @property
    def tag_or_digest(self) -> str:
        """What to pull: the digest where there is one, else the tag, else `latest`, as `docker pull` does."""
        return self.digest or self.tag or "latest"


def parse_image(text: str) -> ImageReference:
    """Take a reference apart. Raises ValueError, with the reason, where it is none."""
    match = _REFERENCE.fullmatch(text)
    if not match:
        raise ValueError("must be an image reference such as 'ubuntu:24.04' or 'registry:5000/team/tool@sha256:...'")
    if len(match["name"]) > LONGEST_NAME:
        raise ValueError(f"must have a name of at most {LONGEST_NAME} characters")
    return ImageReference(match["name"], match["tag"], match["digest"])
