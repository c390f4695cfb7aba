"""Where the Docker Engine is, and how its address is shown and checked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobrunner.errors import EngineUnavailable, SettingsError
from jobrunner.executors.docker.client import EngineClient, build_api
from jobrunner.executors.docker.executor import DockerExecutor
from jobrunner.settings import Settings


@pytest.mark.parametrize(
    ("docker_host", "host", "port"),
    [
        ("unix:///run/docker.sock", "localhost", None),
        ("tcp://engine.example:4243", "engine.example", 4243),
        ("https://engine.example:2376", "engine.example", 2376),
    ],
)
def test_the_address_is_shown_as_host_and_port(docker_host: str, host: str, port: int | None) -> None:
    executor = DockerExecutor(Settings(docker_host=docker_host), "farm")
    assert (executor.host, executor.port) == (host, port)


@pytest.mark.parametrize("docker_host", ["", "engine", "ssh://engine", "unix//x", "tcp://", "tcp://x", "tcp://x:y"])
def test_an_address_that_is_none_is_refused_by_name(docker_host: str) -> None:
    with pytest.raises(SettingsError, match="docker_host"):
        DockerExecutor(Settings(docker_host=docker_host), "farm")


@pytest.mark.parametrize("setting", ["docker_tls_ca", "docker_tls_cert", "docker_tls_key"])
def test_a_tls_file_that_is_not_there_is_named(setting: str, tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for name in ("docker_tls_ca", "docker_tls_cert", "docker_tls_key"):
        files[name] = tmp_path / name
        if name != setting:
            files[name].write_text("")
    with pytest.raises(SettingsError, match=f"{setting}: there is no file"):
        DockerExecutor(Settings(docker_host="tcp://engine:2376", **files), "farm")


def test_tls_is_verified_and_uses_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    api = build_api(Settings(docker_host="tcp://engine:2376", docker_tls_ca=ca), connections=1)
    assert api.base_url == "https://engine:2376"
    assert api.verify == str(ca)
    assert api.trust_env is False
    assert api.api_version == "1.41"


@pytest.mark.parametrize(("oldest", "spoken"), [("1.12", "1.41"), ("1.44", "1.44"), ("1.100", "1.100")])
def test_an_engine_is_spoken_to_in_no_older_version_than_it_knows(oldest: str, spoken: str) -> None:
    answer = json.dumps({"Version": "29.0.0", "ApiVersion": "1.200", "MinAPIVersion": oldest}).encode()
    with serving({"/version": answer}) as port:
        client = EngineClient(Settings(docker_host=f"tcp://127.0.0.1:{port}"))
        assert client.version() == "29.0.0"
        with client.guard() as api:
            assert api.api_version == spoken
        with client.line() as line:
            assert line.api.api_version == spoken


@contextmanager
def serving(answers: dict[str, bytes]) -> Iterator[int]:
    """An HTTP server on the loopback interface that knows these paths; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 404)
            self.send_header("Content-Length", str(len(answers.get(self.path, b""))))
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_every_call_has_a_time_limit() -> None:
    api = build_api(Settings(docker_timeout_seconds=60), connections=1)
    assert api.timeout == (5, 60)
    api = build_api(Settings(docker_timeout_seconds=2), connections=1)
    assert api.timeout == (2, 2)


def test_what_can_be_done_without_opens_no_circuit_by_its_failures() -> None:
    client = EngineClient(Settings(docker_host="unix:///nowhere"))
    for _ in range(5):
        with pytest.raises(EngineUnavailable, match="does not tell"), client.aside() as api:
            api.ping()
    with pytest.raises(EngineUnavailable, match="does not answer: No such file"):
        client.version()


def test_what_can_be_done_without_is_not_tried_while_the_engine_is_left_alone() -> None:
    client = EngineClient(Settings(docker_host="unix:///nowhere"))
    for _ in range(3):
        with pytest.raises(EngineUnavailable):
            client.version()
    with pytest.raises(EngineUnavailable, match="is left alone for now"), client.aside():
        pass
