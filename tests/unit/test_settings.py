"""The configuration: where it is read from, what goes before what, and all of its faults at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from jobrunner.errors import SettingsError
from jobrunner.settings import CLIENT_VARIABLES, LogLevel, Settings, load_settings

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def no_default_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jobrunner.settings.DEFAULT_CONFIG_FILES", (tmp_path / "default.conf",))


def written(tmp_path: Path, text: str, name: str = "some.conf") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def faults(text: str) -> set[str]:
    """The names that a message lists."""
    return {line.split(":")[0].strip() for line in text.splitlines()[1:]}


# -------------------------------------------------------------------------------------------- where it comes from


def test_without_a_file_and_variables_there_are_defaults() -> None:
    assert load_settings(environ={}).slots == 16


def test_a_file_sets_names_and_may_have_comments(tmp_path: Path) -> None:
    path = written(
        tmp_path, "# a farm\nslots = 4\n\n  # more\nlog_level = debug\npublic_url = http://farm/?a\n".replace("?a", "")
    )
    settings = load_settings(path, environ={})
    assert (settings.slots, settings.log_level, settings.public_url) == (4, LogLevel.DEBUG, "http://farm/")


def test_the_environment_goes_before_the_file_and_arguments_before_both(tmp_path: Path) -> None:
    path = written(tmp_path, "slots = 4\nnode = from-file\npage_size = 7\n")
    settings = load_settings(path, {"JOBRUNNER_SLOTS": "5", "JOBRUNNER_NODE": "from-environment"}, node="from-argument")
    assert (settings.page_size, settings.slots, settings.node) == (7, 5, "from-argument")


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "slots = 4\n")
    assert load_settings(environ={"JOBRUNNER_CONFIG": str(path)}).slots == 4


def test_the_file_that_is_given_goes_before_the_one_of_the_variable(tmp_path: Path) -> None:
    given, other = written(tmp_path, "slots = 4\n"), written(tmp_path, "slots = 5\n", "other.conf")
    assert load_settings(given, {"JOBRUNNER_CONFIG": str(other)}).slots == 4


def test_a_file_in_a_default_place_is_found(tmp_path: Path) -> None:
    written(tmp_path, "slots = 4\n", "default.conf")
    assert load_settings(environ={}).slots == 4


def test_variables_of_others_and_of_the_client_are_left_alone() -> None:
    client = dict.fromkeys(CLIENT_VARIABLES, "x")
    assert load_settings(environ={"PATH": "/bin", "SLOTS": "99", **client}) == load_settings(environ={})


def test_values_may_hold_what_ini_files_interpolate(tmp_path: Path) -> None:
    path = written(tmp_path, "mongodb_url = mongodb://u:p%40ss%%@db/?a=b;c\n")
    assert load_settings(path, {}).mongodb_url.get_secret_value() == "mongodb://u:p%40ss%%@db/?a=b;c"


def test_a_list_is_written_with_commas() -> None:
    assert load_settings(environ={"JOBRUNNER_REDACTED_NAMES": "pin, iban ,"}).redacted_names == ("pin", "iban")


# ------------------------------------------------------------------------------------------------------ faults


def test_all_faults_are_told_at_once_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "slots = many\napi_port = 70000\nslotz = 3\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {"JOBRUNNER_LOG_LEVEL": "loud", "JOBRUNNER_DOCKER_API_VERSION": "latest"})
    assert faults(str(caught.value)) == {"slots", "api_port", "slotz", "log_level", "docker_api_version"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("node", ["", "a b", "-a", "a/b", "x" * 65]),
        ("farm_id", ["", "a:b", "*"]),
        ("slots", ["0", "-1", "1001", "1.5", ""]),
        ("timeout_seconds", ["0", "x"]),
        ("node_beat_seconds", ["0", "-1", "nan", "inf", "1e300"]),
        ("retry_factor", ["0.5", "nan"]),
        ("mongodb_database", ["", "a.b", "a b", "x" * 64]),
        ("public_url", ["farm", "ftp://farm", "http://", "http://farm/?q"]),
        ("output_cap_bytes", ["0", "-1"]),
        ("api_allow_unauthenticated", ["perhaps"]),
    ],
)
def test_an_unusable_value_is_refused_by_name(name: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(SettingsError) as caught:
            load_settings(environ={f"JOBRUNNER_{name.upper()}": value})
        assert faults(str(caught.value)) == {name}, value


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"node_beat_seconds": 5, "node_silent_seconds": 14}, "node_silent_seconds must be at least three times"),
        ({"timeout_seconds": 100, "timeout_hard_limit_seconds": 99}, "timeout_seconds must not be above"),
        ({"docker_tls_cert": "/c.pem"}, "docker_tls_cert and docker_tls_key go together"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(environ={}, **settings)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.conf does not exist"):
        load_settings(tmp_path / "missing.conf", {})
    with pytest.raises(SettingsError, match=r"missing\.conf does not exist"):
        load_settings(environ={"JOBRUNNER_CONFIG": str(tmp_path / "missing.conf")})


@pytest.mark.parametrize(("text", "line"), [("slots = 4\nnonsense\n", 2), ("slots = 4\n\nslots = 5\n", 3)])
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(SettingsError, match=f"line {line} "):
        load_settings(written(tmp_path, text), {})


def test_a_file_with_a_section_is_refused_rather_than_half_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no sections such as \[node\]"):
        load_settings(written(tmp_path, "slots = 4\n[node]\nnode = a\n"), {})


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "binary.conf"
    path.write_bytes(b"slots = \xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.conf cannot be read"):
        load_settings(path, {})


# ----------------------------------------------------------------------------------------------------- secrets


def test_secrets_are_not_in_the_repr() -> None:
    settings = load_settings(environ={}, mongodb_url=f"mongodb://u:{SECRET}@db/", redis_url=f"redis://:{SECRET}@redis/")
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


def test_secrets_are_not_in_the_message_of_a_fault() -> None:
    variables = {"JOBRUNNER_REDIS_URL": f"redis://:{SECRET}@redis/", "JOBRUNNER_MONGODB_PASSWORD": SECRET}
    with pytest.raises(SettingsError) as caught:
        load_settings(environ=variables, slots=SECRET)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        Settings().slots = 3  # type: ignore[misc]
