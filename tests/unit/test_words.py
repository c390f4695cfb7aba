"""The words of a task id, by which it is found."""

from __future__ import annotations

import pytest

from jobrunner.domain.identifiers import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train-ResNet_50", ["train", "resnet", "50"]),
        ("a.b:c  d", ["a", "b", "c", "d"]),
        ("Twice twice TWICE", ["twice"]),
        ("Größe-東京", ["grösse", "東京"]),
        ("e\u0301t\u00e9", ["\u00e9t\u00e9"]),  # an accent of its own, and one that is part of the letter
        ("-_. !", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_whatever_their_case(text: str, words: list[str]) -> None:
    assert words_of(text) == words
