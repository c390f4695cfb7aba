"""The query parameters of the native API, for its OpenAPI document; query.py reads them."""

from __future__ import annotations

from jobrunner.api.native.query import LARGEST_OFFSET, LAST_PAGE, MOST_LAST_LINES, MOST_LINES_TO_FOLLOW_FROM
from jobrunner.api.openapi.operation import QueryParameter
from jobrunner.domain.listing import JobState
from jobrunner.domain.states import State

_FLAG = {"type": "string", "enum": ["", "0", "1", "true", "false"]}

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
TAIL = QueryParameter("tail", "The last so many lines.", {"type": "integer", "minimum": 0, "maximum": MOST_LAST_LINES})
WRITTEN_SINCE = QueryParameter("since", "What was written since: ISO 8601 (2026-05-01T12:00:00Z), or UNIX seconds.")
UNTIL = QueryParameter("until", "Only those made before: as `since`.")
LABEL = QueryParameter("label", "Only those with this label: name, or name=value. More than once: all of them.")
JOB_STATE = QueryParameter("state", "Only those in this state.", {"type": "string", "enum": ["", *JobState]})
AFTER = QueryParameter("after", "Where to go on, as a nextUrl has it.")
SEARCHED = QueryParameter(
    "query", "The text to look for, as it is.", {"type": "string", "minLength": 1, "maxLength": 256}, True
)
STREAM = QueryParameter("stream", "One of them; left out: both.", {"type": "string", "enum": ["stdout", "stderr"]})
IGNORE_CASE = QueryParameter("ignoreCase", "1: whatever its case.", _FLAG)
LIMIT = QueryParameter("limit", "At most so many.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
FOLLOWED_STREAM = QueryParameter("stream", "Which streams.", {"type": "string", "enum": ["both", "stdout", "stderr"]})
FROM = QueryParameter("from", "Where to begin.", {"type": "string", "enum": ["start", "end"]})
LAST_LINES = QueryParameter(
    "tail", "With so many lines.", {"type": "integer", "minimum": 0, "maximum": MOST_LINES_TO_FOLLOW_FROM}
)
POSITION = QueryParameter("position", "After what came with this position.")
FRAME_FORMAT = QueryParameter("format", "Of the frames.", {"type": "string", "enum": ["text", "json", "binary"]})
EVENT_FORMAT = QueryParameter("format", "json: as a page.", {"type": "string", "enum": ["", "json", "sse"]})
JOB = QueryParameter("job", "Only those of this job.")
EXECUTION = QueryParameter("execution", "Only those of this execution.")
AFTER_FILE = QueryParameter(
    "after", "The id of a file: those that were uploaded before it.", {"type": "string", "format": "uuid"}
)
FILE_NAME = QueryParameter("name", "What to call it when it is downloaded.", {"type": "string", "maxLength": 255})
SHA256 = QueryParameter(
    "sha256", "What the file must come to, in hexadecimal.", {"type": "string", "pattern": "^[0-9a-f]{64}$"}
)
