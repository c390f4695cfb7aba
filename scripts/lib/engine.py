"""What the scripts ask of the Docker Engine that jobrunner is configured to use, without the docker command line.

engine.py host                      print its address
engine.py version                   print its version, or say why there is none
engine.py has-image TAG             exit with 0 if it has the image
engine.py build-image TAG BUSYBOX   make an image of a static busybox and nothing else
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from jobrunner.errors import JobrunnerError
from jobrunner.executors.docker.client import EngineClient
from jobrunner.settings import load_settings

FOLDERS = {"bin": 0o755, "etc": 0o755, "proc": 0o755, "root": 0o700, "sys": 0o755, "tmp": 0o1777}
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"
CHANGES = ["ENV PATH=/bin", 'CMD ["sh"]']


def main(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code."""
    settings = load_settings()
    client = EngineClient(settings)
    match arguments:
        case ["host"]:
            print(settings.docker_host)
        case ["version"]:
            print(client.version())
        case ["has-image", tag]:
            return 0 if has_image(client, tag) else 1
        case ["build-image", tag, busybox]:
            return 0 if build_image(client, tag, Path(busybox)) else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def has_image(client: EngineClient, tag: str) -> bool:
    """Whether the Engine has an image of this name."""
    with client.guard() as api:
        return bool(api.images(tag, quiet=True))


def build_image(client: EngineClient, tag: str, busybox: Path) -> bool:
    """Import the file system as an image; whether the Engine has it then."""
    repository, _, version = tag.partition(":")
    content = file_system(busybox)
    with client.guard() as api:
        api.import_image_from_data(content, repository=repository, tag=version, changes=CHANGES)
    return has_image(client, tag)  # the SDK does not raise what the Engine writes into its answer


def file_system(busybox: Path) -> bytes:
    """A tar of busybox, a link for each of its commands, and the few files that programs expect."""
    listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True, timeout=30)
    # Among its commands busybox names itself: a link of that name would replace the program.
    commands = sorted(set(listing.stdout.split()) - {"busybox"})
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, mode in FOLDERS.items():
            add(tar, name, mode, type=tarfile.DIRTYPE)
        add(tar, "bin/busybox", 0o755, busybox.read_bytes())
        for command in commands:
            add(tar, f"bin/{command}", 0o777, type=tarfile.SYMTYPE, linkname="busybox")
        add(tar, "etc/passwd", 0o644, PASSWD)
        add(tar, "etc/group", 0o644, GROUP)
    return content.getvalue()


def add(tar: tarfile.TarFile, name: str, mode: int, content: bytes = b"", **fields: object) -> None:
    """Add one entry, owned by root."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(content)
    for field, value in fields.items():
        setattr(entry, field, value)
    tar.addfile(entry, io.BytesIO(content))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (JobrunnerError, OSError, subprocess.SubprocessError) as error:
        sys.exit(str(error))
