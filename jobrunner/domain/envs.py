"""The names and values of environment variables, as jobs give them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from jobrunner.domain.specification import Text, check_text

LONGEST_ENV_NAME = 1024


def _env_name(value: str) -> str:
    if not value or "=" in value or len(value) > LONGEST_ENV_NAME:
        raise ValueError(f"the name of a variable must have 1 to {LONGEST_ENV_NAME} characters, and no '='")
    return check_text(value)


def _env_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a string or a number; write 'true' or 'false' as a string")
    return str(value) if isinstance(value, int | float) else value


EnvName = Annotated[str, AfterValidator(_env_name)]
EnvValue = Annotated[Text, BeforeValidator(_env_value, json_schema_input_type=str | int | float)]
