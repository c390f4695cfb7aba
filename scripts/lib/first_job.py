"""Post a job to a farm, follow its output, and say how it ended and where to look on: first_job.py URL IMAGE."""

from __future__ import annotations

import os
import sys
import time

from jobrunner.cli.answers import Execution, ExecutionRef
from jobrunner.cli.client import ApiError, Client
from jobrunner.cli.follow import Follower, Patience, insist, writer
from jobrunner.errors import JobrunnerError

TASK = "quickstart"
COMMAND = ["sh", "-c", 'for n in 1 2 3; do echo "hello from a container, $n of 3"; sleep 0.2; done']
PATIENCE_SECONDS = 30.0


def main(url: str, image: str) -> int:
    """Returns the exit code of the container; 1 where it did not come to have one."""
    client = Client(url, api_key=os.environ.get("JOBRUNNER_API_KEY"))
    began = time.monotonic()
    ref = insist(lambda: client.submit(TASK, {"image": image, "command": COMMAND}), Patience(PATIENCE_SECONDS))
    print(f"Posted a job to {url}/tasks/{TASK}/. Its output:", flush=True)
    execution = follow(client, ref)
    print(describe(execution, time.monotonic() - began))
    print(
        f"\nGo on with:\n  all tasks  {url}/tasks/\n  task       {url}/tasks/{TASK}/\n"
        f"  job        {url}{ref.job_path}\n  execution  {url}{ref.path}\n  output     {url}{ref.path}stdout/",
        flush=True,
    )
    return 1 if execution.exit_code is None else execution.exit_code


def follow(client: Client, ref: ExecutionRef) -> Execution:
    """Print what the container writes, until it has ended."""
    return Follower(client, ref, "stdout", writer(sys.stdout), Patience(PATIENCE_SECONDS)).follow()


def describe(execution: Execution, seconds: float) -> str:
    """How it ended, in a line."""
    reason = f" ({execution.reason})" if execution.reason else ""
    return f"Exit code: {execution.exit_code}, {execution.status}{reason}, {seconds:.1f} s after it was posted"


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:3]))
    except (ApiError, JobrunnerError) as failure:
        sys.exit(str(failure))
