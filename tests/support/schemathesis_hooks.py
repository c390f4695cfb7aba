"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): no request follows an output, for nothing runs, and it would not end."""

import schemathesis


@schemathesis.hook
def before_call(context, case, **kwargs):  # type: ignore[no-untyped-def]
    """Take out what makes an answer go on until an execution is over."""
    if case.query:
        case.query.pop("follow", None)
