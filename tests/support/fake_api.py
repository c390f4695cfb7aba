"""A small HTTP server that speaks as the native API does, and does what a test scripts: also to break off."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TERMINAL = ("done", "failed", "timedout", "stopped", "expired", "lost")
_EXECUTION = re.compile(r"/tasks/([^/]+)/jobs/([^/]+)/executions/([^/]+)/(stdout/|stderr/|stop/)?")


@dataclass
class FakeExecution:
    """One execution. A test writes its output and finishes it; requests that follow it wake up."""

    task_id: str
    spec: dict[str, Any]
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    shown: dict[str, Any] = field(default_factory=lambda: {"status": "running"})
    outputs: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    cuts: dict[str, list[int]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    closes: dict[str, list[int]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    looks_left: int = 0
    last_words: bytes = b""
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def path(self) -> str:
        """Its path below the API's address."""
        return f"/tasks/{self.task_id}/jobs/{self.job_id}/executions/{self.id}/"

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal state."""
        return self.shown["status"] in TERMINAL

    def write(self, stream: str, content: bytes) -> None:
        """The container writes."""
        with self.changed:
            self.outputs[stream] += content
            self.changed.notify_all()

    def finish(self, status: str = "done", exit_code: int | None = 0, cause: str = "success", reason: str = "") -> None:
        """The execution ends."""
        with self.changed:
            self.shown |= {"status": status, "exitCode": exit_code, "cause": cause, "reason": reason, "error": reason}
            self.changed.notify_all()

    def finish_when_asked(self, times: int, last_words: bytes) -> None:
        """End, having written to stdout, when the execution has been asked for so often."""
        self.looks_left, self.last_words = times, last_words

    def look(self) -> dict[str, Any]:
        """Answer a question for the execution."""
        self.looks_left -= 1
        if self.looks_left == 0:
            self.write("stdout", self.last_words)
            self.finish()
        return self.document()

    def cut(self, stream: str, *offsets: int) -> None:
        """Break the connection off, once each, when so many bytes of the stream have been sent."""
        self.cuts[stream] += offsets

    def close(self, stream: str, *offsets: int) -> None:
        """End the response in order, once each, when so many bytes have been sent: as a proxy's time limit does."""
        self.closes[stream] += offsets

    def next_piece(self, stream: str, offset: int, follow: bool) -> bytes:
        """What there is from `offset` on, up to the next cut or close; when following, wait for it. Empty: the end."""
        content, ends = self.outputs[stream], self.cuts[stream] + self.closes[stream]
        with self.changed:
            if follow:
                self.changed.wait_for(lambda: len(content) > offset or self.ended or offset in ends)
            return bytes(content[offset : min([len(content), *(n for n in ends if n >= offset)])])

    def offset_of_tail(self, stream: str, lines: int) -> int:
        """Where the last lines of a stream begin."""
        content = self.outputs[stream].splitlines(keepends=True)
        return sum(map(len, content[: max(0, len(content) - lines)]))

    def document(self) -> dict[str, Any]:
        """The execution as the API shows it."""
        return {
            "executionId": self.id,
            "jobId": self.job_id,
            "taskId": self.task_id,
            "image": self.spec.get("image"),
            "command": self.spec.get("command"),
            "node": "node-1",
            "createdAt": "2026-01-02T03:04:05.678000",
            **self.shown,
        }


class FakeApi:
    """The API. `on_submit` and `on_stop` are called with the execution in a thread of their own.

    `answers` maps "METHOD /path" to a list of (status, JSON) that are given, one each, in place of the usual answer;
    `requests` has what was asked for, bodies included.
    """

    def __init__(self) -> None:
        self.executions: dict[str, FakeExecution] = {}
        self.nodes: list[dict[str, Any]] = []
        self.per_page = 2
        self.requests: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.on_submit: Callable[[FakeExecution], None] = lambda execution: execution.finish()
        self.on_stop: Callable[[FakeExecution], None] = lambda execution: execution.finish("stopped", 143, "stopped")
        self.before_answer: Callable[[], object] = lambda: None  # to the POST of a job
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> FakeApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for execution in list(self.executions.values()):
            if not execution.ended:
                execution.finish("lost", None, "node_lost", "the test is over")
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, task_id: str = "run", spec: dict[str, Any] | None = None, **ids: Any) -> FakeExecution:
        """An execution that is there; `ids` are its id and job_id, where they matter."""
        execution = FakeExecution(task_id, spec=spec or {}, **ids)
        self.executions[execution.id] = execution
        return execution

    def asked(self, method: str, ending: str) -> list[tuple[str, str, Any]]:
        """The requests of this method whose path ends so (the query apart)."""
        return [r for r in list(self.requests) if r[0] == method and urlsplit(r[1]).path.endswith(ending)]


class _Server(ThreadingHTTPServer):
    api: FakeApi
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._scripted(json.loads(body) if body else None):
            return
        path = urlsplit(self.path).path
        if path.endswith("/stop/"):
            self._stop(path)
        elif path.endswith("/drain/"):
            self._json(200, {})
        else:
            self._submit(path.split("/")[2], json.loads(body))

    def do_DELETE(self) -> None:
        if not self._scripted(None):
            self._json(200, {})

    def do_GET(self) -> None:
        if self._scripted(None):
            return
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        match = _EXECUTION.fullmatch(parts.path)
        if match:
            self._execution(match[3], (match[4] or "").rstrip("/"), query)
        elif parts.path == "/executions/":
            self._list(query)
        elif parts.path == "/nodes/":
            self._json(200, {"items": self.server.api.nodes})
        else:
            self._find(parts.path.split("/")[2])

    def _scripted(self, body: Any) -> bool:
        api = self.server.api
        api.requests.append((self.command, self.path, body))
        api.headers.append(dict(self.headers))
        answers = api.answers.get(f"{self.command} {urlsplit(self.path).path}")
        if not answers:
            return False
        self._json(*answers.pop(0))
        return True

    def _submit(self, task_id: str, spec: dict[str, Any]) -> None:
        execution = self.server.api.add(task_id, spec)
        threading.Thread(target=self.server.api.on_submit, args=(execution,), daemon=True).start()
        self.server.api.before_answer()
        ids = {"taskId": task_id, "jobId": execution.job_id, "executionId": execution.id}
        self._json(200, {**ids, "queueJobId": "q", "executionUrl": self.server.api.url + execution.path})

    def _stop(self, path: str) -> None:
        api = self.server.api
        named = [
            e for e in api.executions.values() if e.id in path or (e.job_id in path and "/executions/" not in path)
        ]
        self._json(200 if named else 404, {})
        for execution in named:
            threading.Thread(target=api.on_stop, args=(execution,), daemon=True).start()

    def _find(self, execution_id: str) -> None:
        execution = self.server.api.executions.get(execution_id)
        if execution is None:
            self._not_found(execution_id)
        else:  # to a host that cannot be reached from here, as it is behind a tunnel
            self.send_response(302)
            self.send_header("Location", "http://farm.example:10000" + execution.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _execution(self, execution_id: str, part: str, query: dict[str, str]) -> None:
        execution = self.server.api.executions.get(execution_id)
        if execution is None:
            self._not_found(execution_id)
        elif part:
            offset = execution.offset_of_tail(part, int(query["tail"])) if "tail" in query else query.get("offset", 0)
            self._output(execution, part, int(offset), "follow" in query)
        else:
            self._json(200, {"execution": execution.look(), "job": {}, "task": {}})

    def _list(self, query: dict[str, str]) -> None:
        found = list(reversed(self.server.api.executions.values()))
        if query.get("status"):
            found = [e for e in found if e.shown["status"] in query["status"].split(",")]
        if query.get("task"):
            found = [e for e in found if e.task_id == query["task"]]
        start = int(query.pop("after", 0))
        end = start + self.server.api.per_page
        following = f"http://farm.example:10000/executions/?{urlencode({**query, 'after': end})}"
        next_url = following if end < len(found) else None
        self._json(200, {"items": [e.document() for e in found[start:end]], "nextUrl": next_url})

    def _output(self, execution: FakeExecution, stream: str, offset: int, follow: bool) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Jobrunner-Output-Offset", str(offset))
        self.end_headers()
        cuts, closes = execution.cuts[stream], execution.closes[stream]
        while True:
            piece = execution.next_piece(stream, offset, follow)
            if piece:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            offset += len(piece)
            if offset in cuts:
                cuts.remove(offset)
                self.close_connection = True
                return
            if offset in closes or not piece:
                if offset in closes:
                    closes.remove(offset)
                self.wfile.write(b"0\r\n\r\n")
                return

    def _not_found(self, identifier: str) -> None:
        fault = {"field": "execution", "reason": f"there is no {identifier!r}"}
        self._json(404, {"error": "not found", "errors": [fault]})

    def _json(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
