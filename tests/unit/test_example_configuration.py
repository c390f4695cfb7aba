"""conf/jobrunner.conf explains the settings that there are, with the defaults that they have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobrunner.settings import Settings, load_settings

CONF = Path(__file__).parents[2] / "conf/jobrunner.conf"
SETTING = re.compile(r"^#(?P<name>[a-z0-9_]+) = (?P<value>.+)$", re.MULTILINE)
DEPENDS_ON_MACHINE = {"node", "state_dir"}


def shown_settings() -> list[tuple[str, str]]:
    return [(match["name"], match["value"]) for match in SETTING.finditer(CONF.read_text())]


def has_one_default(name: str) -> bool:
    return Settings.model_fields[name].default is not None and name not in DEPENDS_ON_MACHINE


def test_every_setting_is_shown_once_and_in_order() -> None:
    assert [name for name, _ in shown_settings()] == list(Settings.model_fields)


def test_each_default_that_is_shown_is_the_one_that_holds() -> None:
    shown = Settings(**{name: value for name, value in shown_settings() if has_one_default(name)})

    for name in filter(has_one_default, Settings.model_fields):
        assert getattr(shown, name) == getattr(Settings(), name), name


def test_the_file_is_usable_with_every_line_switched_on(tmp_path: Path) -> None:
    switched_on = tmp_path / "jobrunner.conf"
    switched_on.write_text(SETTING.sub(r"\g<name> = \g<value>", CONF.read_text()))

    assert load_settings(switched_on, environ={}).model_fields_set == set(Settings.model_fields)


def test_the_file_as_it_is_changes_nothing() -> None:
    assert load_settings(CONF, environ={}).model_fields_set == set()


@pytest.mark.parametrize("name", [name for name, _ in shown_settings()])
def test_every_setting_is_explained(name: str) -> None:
    before = CONF.read_text().split(f"\n#{name} = ")[0].rsplit("\n\n", 1)[-1]

    assert re.search(r"^# \w", before, re.MULTILINE), f"there is no comment before {name}"
