"""What the forms of the answers, TypedDicts, have in common."""

from __future__ import annotations

from pydantic import ConfigDict, with_config

# No other keys than these: one that nobody has described fails the test that compares answers with their forms.
closed = with_config(ConfigDict(extra="forbid"))
