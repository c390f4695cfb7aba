"""What a request to drain a node can say."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobrunner.domain.specification import Number, Specification

LONGEST_DEADLINE_SECONDS = 10**8


class DrainWish(Specification):
    """After how many seconds what still runs on the node is ended; None: never."""

    deadline_seconds: Annotated[float, Number, Field(ge=0, le=LONGEST_DEADLINE_SECONDS)] | None = None
