"""The query parameters of the native API, for its OpenAPI document; query.py reads them."""

from __future__ import annotations

from jobrunner.api.native.query import LARGEST_OFFSET, LAST_PAGE
from jobrunner.api.openapi.operation import QueryParameter
from jobrunner.domain.states import State

_FLAG = {"type": "string", "enum": ["0", "1", "true", "false"]}

PAGE = QueryParameter(
    "page", "The page, counted from 1.", {"type": "integer", "minimum": 1, "maximum": LAST_PAGE, "default": 1}
)
QUERY = QueryParameter(
    "query", "Words: a task is found whose id has all of them.", {"type": "string", "pattern": "[A-Za-z0-9]"}, True
)
AFTER_JOB = QueryParameter(
    "after", "The id of a job: those that were made after it.", {"type": "string", "format": "uuid"}
)
STATUS = QueryParameter(
    "status", "One or more states, parted by commas.", {"type": "string", "pattern": f"^(,|{'|'.join(State)})*$"}
)
TASK = QueryParameter("task", "Only those of this task.")
NODE = QueryParameter("node", "Only those of this node.")
SINCE = QueryParameter("since", "Only those made since: ISO 8601 (2026-05-01T12:00:00Z), or UNIX seconds.")
OFFSET = QueryParameter(
    "offset", "From this byte on.", {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET, "default": 0}
)
FOLLOW = QueryParameter("follow", "1: until the execution is over.", _FLAG)
AFTER_FILE = QueryParameter(
    "after", "The id of a file: those that were uploaded before it.", {"type": "string", "format": "uuid"}
)
FILE_NAME = QueryParameter("name", "What to call it when it is downloaded.", {"type": "string", "maxLength": 255})
SHA256 = QueryParameter(
    "sha256", "What the file must come to, in hexadecimal.", {"type": "string", "pattern": "^[0-9a-f]{64}$"}
)
