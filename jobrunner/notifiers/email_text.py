"""What an e-mail says: text, and the same as HTML, with the end of the output. Pure."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.ports.notifier import Dispatch
from jobrunner.notifiers.links import Links
from jobrunner.settings import Settings

MOST_TAIL_LINES = 100
MOST_TAIL_BYTES = 16 * 1024
LONGEST_SUBJECT = 200
LONGEST_COMMAND = 500
VERBS = {Moment.STARTS: "started", Moment.SUCCEEDS: "succeeded", Moment.FAILS: "failed", Moment.FINISHES: "finished"}


def compose(dispatch: Dispatch, settings: Settings) -> EmailMessage:
    """The whole message to one receiver. Its Message-ID is the delivery's id, so a repeat can be told and dropped."""
    delivery, execution = dispatch.delivery, dispatch.execution
    sender = Address(addr_spec=settings.smtp_from or "")
    message = EmailMessage()
    message["From"] = Address("jobrunner", sender.username, sender.domain)
    message["To"] = Address(addr_spec=execution.spec.addresses_for(delivery.moment)[delivery.index])
    message["Subject"] = _one_line(f"[{execution.task_id}] {headline(dispatch)}")[:LONGEST_SUBJECT]
    message["Date"] = format_datetime(dispatch.sent_at)
    message["Message-ID"] = f"<{delivery.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody is to answer by a machine
    message["X-Jobrunner-Execution"] = execution.id
    message.set_content(_text(dispatch, settings), cte="quoted-printable")
    message.add_alternative(_html(dispatch, settings), subtype="html", cte="quoted-printable")
    return message


def headline(dispatch: Dispatch) -> str:
    """What happened, in a line."""
    execution, moment = dispatch.execution, dispatch.delivery.moment
    line = f"{_command(execution) or execution.spec.image} {VERBS[moment]}"
    if moment is Moment.STARTS:
        return line
    code = "" if execution.exit_code is None else f", exit code {execution.exit_code}"
    return f"{line} ({execution.state}{code})"


def tail_of(output: bytes) -> str:
    """The last lines of an output, as text in which nothing is left that a mail program could obey."""
    lines = output[-MOST_TAIL_BYTES:].decode("utf-8", "replace").splitlines()[-MOST_TAIL_LINES:]
    return "\n".join(map(_visible, lines))


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line)


def _facts(execution: Execution, settings: Settings) -> list[tuple[str, str]]:
    links = Links.of(execution, settings)
    facts = {
        "Task": execution.task_id,
        "Image": execution.spec.image,
        "Command": _command(execution),
        "Status": execution.state.value,
        "Reason": execution.reason,
        "Exit code": "" if execution.exit_code is None else str(execution.exit_code),
        "Attempt": str(execution.attempt),
        "Node": execution.node or "",
        "Started": f"{execution.started_at:%Y-%m-%d %H:%M:%S} UTC" if execution.started_at else "",
        "Finished": f"{execution.finished_at:%Y-%m-%d %H:%M:%S} UTC" if execution.finished_at else "",
        "Execution": links.execution or execution.id,
        "Output": f"{links.execution}/logs" if links.execution else "",
        "Job": links.job or execution.job_id,
    }
    return [(name, _one_line(value)) for name, value in facts.items() if value]


def _text(dispatch: Dispatch, settings: Settings) -> str:
    lines = [_one_line(headline(dispatch)), ""]
    lines += [f"{name + ':':<11}{value}" for name, value in _facts(dispatch.execution, settings)]
    for title, tail in _tails(dispatch):
        lines += ["", f"-- {title} --", tail]
    return "\n".join(lines) + "\n"


def _html(dispatch: Dispatch, settings: Settings) -> str:
    rows = "".join(
        f"<tr><th align=left>{escape(name)}</th><td>{_linked(value)}</td></tr>"
        for name, value in _facts(dispatch.execution, settings)
    )
    tails = "".join(f"<h3>{escape(title)}</h3><pre>{escape(tail)}</pre>" for title, tail in _tails(dispatch))
    title = escape(_one_line(headline(dispatch)))
    return f"<!doctype html><html><body><h2>{title}</h2><table>{rows}</table>{tails}</body></html>\n"


def _tails(dispatch: Dispatch) -> list[tuple[str, str]]:
    if dispatch.delivery.moment is Moment.STARTS:
        return []
    tails = {"end of stdout": tail_of(dispatch.stdout), "end of stderr": tail_of(dispatch.stderr)}
    return [(title, tail) for title, tail in tails.items() if tail]


def _linked(value: str) -> str:
    is_url = value.startswith(("http://", "https://"))
    return f'<a href="{escape(value)}">{escape(value)}</a>' if is_url else escape(value)


def _command(execution: Execution) -> str:
    words = execution.spec.words
    if not words:
        return ""
    command = " ".join(words)
    return command if len(command) <= LONGEST_COMMAND else f"{command[:LONGEST_COMMAND]}..."


def _one_line(text: str) -> str:
    """Text that can stand in a header or in a line: without a line break, or anything else that is not to be seen."""
    return "".join(char if char.isprintable() else " " for char in text)
