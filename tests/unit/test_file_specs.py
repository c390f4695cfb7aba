"""What a job says of files: what is taken, what is refused, and in what words. And what is a result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobrunner.api.native.job_spec import parse_spec
from jobrunner.domain.files import MOST_INPUTS, RESULT_PATH, Input, Output
from jobrunner.domain.result import DEEPEST_RESULT, RESULT_BYTES, parse_result
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import InvalidRequest

FILE = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"


def parsed(**keys: Any) -> JobSpec:
    return parse_spec(json.dumps({"image": "a", **keys}).encode())


def test_files_survive_being_stored() -> None:
    spec = parsed(
        inputs=[{"file": FILE.upper(), "path": "/a//b/", "mode": "755"}],
        outputs=["/out/", {"path": "/x/y", "name": "z", "required": True}],
        result=True,
    )
    assert spec.inputs == (Input(file=FILE, path="/a/b", mode="755"),)
    assert [output.shown_name for output in spec.outputs] == ["out", "z"]
    assert spec.outputs[1] == Output(path="/x/y", name="z", required=True)
    assert spec.result == RESULT_PATH
    assert JobSpec.model_validate_json(spec.to_json()) == spec


@pytest.mark.parametrize(("given", "path"), [(False, None), (None, None), ("/r.json", "/r.json")])
def test_a_result_is_asked_for_by_true_or_a_path(given: object, path: str | None) -> None:
    assert parsed(result=given).result == path


@pytest.mark.parametrize(
    ("keys", "field", "reason"),
    [
        ({"inputs": [{"file": "x", "path": "/a"}]}, "inputs.0.file", "id of an uploaded file"),
        ({"inputs": [{"file": FILE, "path": "a"}]}, "inputs.0.path", "absolute"),
        ({"inputs": [{"file": FILE, "path": "/a/../b"}]}, "inputs.0.path", "'..'"),
        ({"inputs": [{"file": FILE, "path": "/"}]}, "inputs.0.path", "below /"),
        ({"inputs": [{"file": FILE, "path": "/" + "a" * 1024}]}, "inputs.0.path", "1024"),
        ({"inputs": [{"file": FILE, "path": "/a\n"}]}, "inputs.0.path", "control"),
        ({"inputs": [{"file": FILE, "path": "/a", "mode": "4755"}]}, "inputs.0.mode", "octal"),
        ({"inputs": [{"file": FILE, "path": "/a", "mode": 644}]}, "inputs.0.mode", "string"),
        ({"inputs": [{"file": FILE, "path": "/a"}, {"file": FILE, "path": "/a"}]}, "inputs", "path each"),
        ({"inputs": [{"file": FILE, "path": "/a/b"}, {"file": FILE, "path": "/a"}]}, "inputs", "below another"),
        ({"inputs": [{"file": FILE, "path": f"/{n}"} for n in range(MOST_INPUTS + 1)]}, "inputs", "at most 100"),
        ({"inputs": [{"file": FILE}]}, "inputs.0.path", "required"),
        ({"inputs": [{"file": FILE, "path": "/a", "x": 1}]}, "inputs.0.x", "known keys are file, mode, path"),
        ({"outputs": "/a"}, "outputs", "list"),
        ({"outputs": [1]}, "outputs.0", "object"),
        ({"outputs": ["a"]}, "outputs.0.path", "absolute"),
        ({"outputs": [{"path": "/a", "name": "b/c"}]}, "outputs.0.name", "'/'"),
        ({"outputs": [{"path": "/a", "name": ".."}]}, "outputs.0.name", "'..'"),
        ({"outputs": [{"path": "/a", "required": 1}]}, "outputs.0.required", "true or false"),
        ({"outputs": ["/a/x", "/b/x"]}, "outputs", "'x'"),
        ({"result": "r.json"}, "result", "absolute"),
        ({"result": 1}, "result", "true, or"),
    ],
)
def test_what_cannot_be_is_refused_by_its_place(keys: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(**keys)
    assert [fault.field for fault in refused.value.faults] == [field]
    assert reason in refused.value.faults[0].reason


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, [], 0, None, "ä", "x" * (RESULT_BYTES - 2)])
def test_a_result_is_any_json(value: object) -> None:
    assert json.loads(parse_result(json.dumps(value, ensure_ascii=False).encode())) == value


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"NaN",
        b"1e999",
        b"\xff",
        b'"\\ud800"',
        b"1" * 5000,
        b"[" * 30_000,
        b"[" * (DEEPEST_RESULT + 2) + b"]" * (DEEPEST_RESULT + 2),
        b" " * (RESULT_BYTES + 1),
    ],
)
def test_what_is_no_result_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"is no JSON|has more than"):
        parse_result(content)
