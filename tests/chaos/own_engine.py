"""A Docker Engine of a run's own, which may be killed and restarted: in network and mount namespaces of its own.

Never without those: a second dockerd would take the machine's bridge away. Its containers have no network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil

from jobrunner.errors import EngineUnavailable
from jobrunner.executors.docker.client import EngineClient
from jobrunner.settings import Settings
from tests.chaos.disk import Disk
from tests.support.farm import wait_until

START_SECONDS = 240  # where it does not keep its containers, it clears up after each it ever had when it is back
END_SECONDS = 30
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class OwnEngine:
    """A dockerd with folders and a socket of its own. With `live_restore`, containers outlive it."""

    def __init__(
        self, folder: Path, name: str = "engine", *, live_restore: bool = True, disk_bytes: int | None = None
    ) -> None:
        """`disk_bytes`: it has a disk of its own, of this size, which can be made full."""
        self._folder = folder / name
        self._folder.mkdir()
        self.disk = Disk(self._folder / "data", disk_bytes) if disk_bytes else None
        self.host = f"unix://{self._folder}/docker.sock"
        self.live_restore = live_restore
        self._namespaces: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> OwnEngine:
        """Start it, and wait until it answers. Its namespaces stay the same as long as this object is used."""
        if self._namespaces is None:
            self._namespaces = subprocess.Popen([_program("unshare"), "--net", "--mount", "sleep", "infinity"])
            wait_until(self._has_a_network_of_its_own, START_SECONDS, "it has a network namespace of its own")
        (self._folder / "pid").unlink(missing_ok=True)
        enter = [_program("nsenter"), f"--target={self._namespaces.pid}", "--net", "--mount"]
        folders = [f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec"]
        command = [*enter, _program("dockerd"), *folders, f"--pidfile={self._folder}/pid", f"--host={self.host}"]
        options = ["--live-restore"] if self.live_restore else []
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--bridge=none", "--iptables=false", "--ip6tables=false", *options],
                env={**os.environ, "PATH": PATH},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, START_SECONDS, "the Engine answers")
        return self

    def end(self, signum: int) -> None:
        """End the dockerd; its containers go on where it is killed, and where they may."""
        if self._process is not None:
            self._process.send_signal(signum)
            self._process.wait(END_SECONDS)
            # It goes with its dockerd, a little later; the next dockerd would take it for one that can be used.
            wait_until(lambda: not self._containerd_lives(), END_SECONDS, "its containerd is gone")

    def close(self) -> None:
        """End it for good. (Its containers must be gone.)"""
        self.end(signal.SIGTERM)
        self._kill_shims()
        if self._namespaces is not None:
            self._namespaces.kill()
            self._namespaces.wait(END_SECONDS)
        if self.disk is not None:
            self.disk.close()

    def _kill_shims(self) -> None:
        """Those of containers that were just being started when it was killed: it forgets them."""
        socket = f"{self._folder}/exec/containerd/containerd.sock"
        for process in psutil.process_iter(["cmdline"]):
            if socket in (process.info["cmdline"] or ()):
                process.kill()

    def _containerd_lives(self) -> bool:
        pid_file = self._folder / "exec/containerd/containerd.pid"
        return pid_file.exists() and psutil.pid_exists(int(pid_file.read_text()))

    def _has_a_network_of_its_own(self) -> bool:
        assert self._namespaces is not None
        mine, its = Path("/proc/self/ns/net").readlink(), Path(f"/proc/{self._namespaces.pid}/ns/net").readlink()
        return mine != its

    def _answers(self) -> bool:
        try:
            EngineClient(Settings(docker_host=self.host)).version()
        except EngineUnavailable:
            return False
        return True


def _program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if path is None:
        raise RuntimeError(f"There is no {name} on this machine.")
    return path
