"""-e and --env-file, as `docker run` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import click


def read_envs(files: Iterable[Path], words: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the files, then those of `words`: NAME=VALUE, or NAME for its value in `environ`, if any.

    Raises click.BadParameter naming the word, or the file and its line.
    """
    envs: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(_lines(file), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                _add(envs, line.lstrip(), environ, f"{file}, line {number}")
    for word in words:
        _add(envs, word, environ, "-e")
    return envs


def _lines(file: Path) -> list[str]:
    try:
        return re.split(r"\r?\n", file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{file} cannot be read: {error}", param_hint="--env-file") from None


def _add(envs: dict[str, str], word: str, environ: Mapping[str, str], where: str) -> None:
    name, equals, value = word.partition("=")
    if not name or any(char.isspace() for char in name):
        raise click.BadParameter(f"{where}: must be NAME=VALUE or NAME, and NAME without white space")
    if equals:
        envs[name] = value
    elif name in environ:
        envs[name] = environ[name]
