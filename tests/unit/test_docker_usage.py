"""The Engine's statistics of a container, on cgroup v1 and v2, as figures."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any

import pytest

from jobrunner.domain.ports.executor import Container, ContainerStatus
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import EngineUnavailable
from jobrunner.executors.docker import usage
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.executors.docker.usage import from_statistics
from jobrunner.settings import Settings

READ = "2026-11-22T19:14:43.371914348Z"
READ_AT = datetime(2026, 11, 22, 19, 14, 43, 371914, tzinfo=UTC)
NETWORKS = {"eth0": {"rx_bytes": 736, "tx_bytes": 40}, "eth1": {"rx_bytes": 64, "tx_bytes": 2}}


def statistics(memory: dict[str, Any], blocks: list[dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    return {
        "read": READ,
        "cpu_stats": {"cpu_usage": {"total_usage": 3020166717}},
        "memory_stats": memory,
        "blkio_stats": {"io_service_bytes_recursive": blocks},
        **more,
    }


def test_cgroup_v1_has_a_peak_and_operations_with_capitals() -> None:
    blocks = [
        {"major": 8, "minor": 0, "op": "Read", "value": 4096},
        {"major": 8, "minor": 16, "op": "Read", "value": 1},
        {"major": 8, "minor": 0, "op": "Write", "value": 8192},
        {"major": 8, "minor": 0, "op": "Total", "value": 12288},
    ]
    memory = {"usage": 2404352, "max_usage": 3813376}
    assert from_statistics(statistics(memory, blocks, networks=NETWORKS)) == ResourceUsage(
        READ_AT, 3.02, 3813376, 800, 42, 4097, 8192
    )


def test_cgroup_v2_tells_what_is_held_now_and_has_operations_without_capitals() -> None:
    blocks = [
        {"major": 8, "minor": 0, "op": "read", "value": 4096},
        {"major": 8, "minor": 0, "op": "write", "value": 8192},
    ]
    assert from_statistics(statistics({"usage": 2404352}, blocks, networks=NETWORKS)) == ResourceUsage(
        READ_AT, 3.02, 2404352, 800, 42, 4096, 8192
    )


def test_what_the_engine_does_not_count_is_not_called_zero() -> None:
    for blocks in (None, []):
        assert from_statistics(statistics({}, blocks)) == ResourceUsage(READ_AT, 3.02)


def test_the_empty_answer_of_what_does_not_run_is_no_sample() -> None:
    empty = {"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}}
    assert from_statistics(empty) is None


def test_an_engine_that_hangs_is_not_waited_for_once_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "PATIENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        executor = DockerExecutor(Settings(docker_host=f"tcp://127.0.0.1:{silent.getsockname()[1]}"), "farm")
        containers = [Container(str(n), str(n), ContainerStatus.RUNNING) for n in range(50)]
        began = monotonic()
        with pytest.raises(EngineUnavailable, match="does not tell"):
            executor.usage(containers)
    assert monotonic() - began < 5


def test_what_a_slow_engine_has_told_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers of the first container, begins to answer of the second, and is stuck."""
    monkeypatch.setattr(usage, "PATIENCE_SECONDS", 0.3)
    over = threading.Event()

    class Engine(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if "/first/" in self.path:
                line = json.dumps(statistics({"usage": 5}, None)).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            over.wait(10)

        def log_message(self, *_: object) -> None:
            """Say nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        executor = DockerExecutor(Settings(docker_host=f"tcp://127.0.0.1:{server.server_address[1]}"), "farm")
        containers = [Container(name, name, ContainerStatus.RUNNING) for name in ("first", "second")]
        assert executor.usage(containers) == {"first": ResourceUsage(READ_AT, 3.02, 5)}
        with pytest.raises(EngineUnavailable, match="does not tell"):
            executor.usage(containers[1:])
        over.set()
        server.shutdown()
