"""The kinds of jobs that a run is loaded with, and what each must print: numbered lines on both streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FOLDER = "/witness"  # where containers have the folder in which they say for themselves what they do
VOLUME = "witness"  # its name on the nodes
STARTS = "starts"  # the file in it to which each start is a line: the job, the container, a random word, the uptime
# The random word tells one start of a container from another, also where nobody watched. The uptime is in seconds.
_FIRST = f"""word=$(cat /proc/sys/kernel/random/uuid); read up rest </proc/uptime
echo "$JOB_ID $HOSTNAME $word $up" >>{FOLDER}/{STARTS}; echo start $word"""
# What it has written so far, where it takes its time: the number of the line and the uptime, to a file of its own.
_NOTE = '; read up rest </proc/uptime; echo "$i $up" >&3'
# A short line: whether one of more than 16 KiB had a newline at the very end, the Engine's log does not tell.
_LAST = "echo end; echo end >&2"
FIRST_WORD = b"start "
UUID_LENGTH = 36
CRON_SECONDS = 4
SMALL = {"cpu": 0.1, "memory": "64m"}
EVENTS = {"starts": "execution.started", "succeeds": "execution.succeeded", "fails": "execution.failed"}
EVENTS |= {"finishes": "execution.finished"}


@dataclass(frozen=True)
class Kind:
    """How jobs of a kind behave. `pause`: between two lines, in seconds. `width`: of what follows the number."""

    name: str
    lines: int
    pause: float = 0
    width: int = 0
    exit_code: int = 0
    retries: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    hooks: tuple[str, ...] = ()
    weight: int = 1

    @property
    def is_cron(self) -> bool:
        """Whether it starts again and again by itself."""
        return "cron" in self.extra

    @property
    def most_at_once(self) -> int | None:
        """How many of its jobs may run at once; None: there is no limit."""
        group = self.extra.get("concurrency")
        return group and group["most"]

    @property
    def seconds(self) -> float:
        """How long it runs at least."""
        return self.lines * self.pause

    def command(self) -> list[str]:
        """What its container runs."""
        pad = f'pad=" $(head -c {self.width} /dev/zero | tr "\\0" x)"; ' if self.width else ""
        pause = f"{_NOTE}; sleep {self.pause}" if self.pause else ""
        loop = f'i=1; while [ $i -le {self.lines} ]; do echo "$i$pad"; echo "$i$pad" >&2{pause}; i=$((i+1)); done'
        notes = f"exec 3>>{FOLDER}/$HOSTNAME; " if self.pause else ""
        return ["sh", "-c", f"{_FIRST}; {notes}{pad}{loop}; {_LAST}; exit {self.exit_code}"]

    def spec(self, job_id: str, image: str, hook_url: str) -> dict[str, Any]:
        """The body of the request for a job of this id."""
        hooks = {moment: [{"url": hook_url, "retries": 20}] for moment in self.hooks}
        return {
            "image": image,
            "command": self.command(),
            "envs": {"JOB_ID": job_id},
            "container": {"volumes": [{"name": VOLUME, "target": FOLDER}]},
            "pullPolicy": "never",  # no registry has it: while it is removed, nobody is to look for it there
            "retries": self.retries,
            "metadata": {"kind": self.name},
            **({"webhooks": hooks} if hooks else {}),
            **self.extra,
        }

    def numbered(self, lines: int | None = None) -> bytes:
        """What it prints to stderr, and to stdout after its first line; the first so many `lines` of it."""
        pad = b" " + b"x" * self.width if self.width else b""
        printed = [b"%d%s\n" % (number, pad) for number in range(1, self.lines + 1)] + [b"end\n"]
        return b"".join(printed[:lines])


_ALL = (
    Kind("fast", 50, retries=2, weight=3),
    Kind("slow", 60, pause=0.1, retries=2, weight=3),
    Kind("endless", 150, pause=0.1, weight=1),
    Kind("chatty", 4000, retries=1),
    Kind("wide", 6, width=40_000, pause=0.05, retries=1),
    Kind("failing", 10, exit_code=3, retries=2),
    Kind("later", 20, extra={"startIn": "3s"}, retries=1),
    Kind("hooked", 20, hooks=("starts", "succeeds", "finishes"), retries=1, weight=2),
    Kind("failing-hooked", 5, exit_code=4, retries=1, hooks=("starts", "fails", "succeeds", "finishes")),
    Kind("grouped", 10, pause=0.05, extra={"concurrency": {"group": "few", "most": 2}, "resources": SMALL}, retries=2),
    Kind("cron", 3, extra={"cron": f"* * * * * */{CRON_SECONDS}"}, retries=1, weight=0),
)
KINDS = {kind.name: kind for kind in _ALL}
