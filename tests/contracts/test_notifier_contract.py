"""What every notifier promises (domain/ports/notifier.py): the fake one, and those that really send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.ports.notifier import Dispatch, Notifier, Receipt
from jobrunner.notifiers.email import EmailNotifier
from jobrunner.notifiers.fake import FakeNotifier
from jobrunner.notifiers.webhook import WebhookNotifier
from tests.support.dispatches import dispatch_of, email_settings, webhook_settings
from tests.support.farm import free_port
from tests.support.mail_server import mail_server
from tests.support.receiver import receiver


@dataclass
class World:
    """A notifier, and a receiver that takes what comes, fails for now, or refuses for good."""

    notifier: Notifier
    takes: Dispatch
    fails: Dispatch
    refuses: Dispatch

    def ids(self) -> list[str]:
        """The delivery ids that have reached the receiver."""
        raise NotImplementedError

    def fail_next(self, *, for_good: bool) -> None:
        """Have the receiver not take the next one."""


class FakeWorld(World):
    """All in memory."""

    def __init__(self) -> None:
        dispatch = dispatch_of(DeliveryKind.WEBHOOK, "https://example.org/")
        super().__init__(FakeNotifier(), dispatch, dispatch, dispatch)

    def ids(self) -> list[str]:
        assert isinstance(self.notifier, FakeNotifier)
        return [sent.delivery.id for sent in self.notifier.sent]

    def fail_next(self, *, for_good: bool) -> None:
        self.notifier = FakeNotifier(Receipt(500, "answered with status 500", is_final=for_good))


class WebhookWorld(World):
    """A real HTTP receiver."""

    def __init__(self, stack: ExitStack) -> None:
        self.receiver = stack.enter_context(receiver())
        kinds = ("ok", "status/500", "status/410")
        dispatches = [dispatch_of(DeliveryKind.WEBHOOK, f"{self.receiver.url}/{kind}") for kind in kinds]
        super().__init__(WebhookNotifier(webhook_settings()), *dispatches)

    def ids(self) -> list[str]:
        return [call.headers["webhook-id"] for call in self.receiver.calls]


class EmailWorld(World):
    """A real mail server."""

    def __init__(self, stack: ExitStack) -> None:
        self.inbox = stack.enter_context(mail_server())
        dispatch = dispatch_of(DeliveryKind.EMAIL, "ada@example.org")
        notifier = EmailNotifier(email_settings(self.inbox.port))
        super().__init__(notifier, dispatch, dispatch, dispatch)

    def ids(self) -> list[str]:
        return [message["Message-ID"].partition("@")[0].removeprefix("<") for message in self.inbox.messages]

    def fail_next(self, *, for_good: bool) -> None:
        self.inbox.refusals = ["550 no such user" if for_good else "451 try later"]


@pytest.fixture(params=["fake", "webhook", "email"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as stack:
        made: dict[str, Any] = {"webhook": WebhookWorld, "email": EmailWorld}
        yield FakeWorld() if request.param == "fake" else made[request.param](stack)


def test_what_is_taken_has_no_error_and_has_reached_its_receiver(world: World) -> None:
    receipt = world.notifier.send(world.takes)
    assert receipt.error == ""
    assert receipt.status_code in (200, 250)
    assert world.ids() == [world.takes.delivery.id]


def test_a_repeat_reaches_its_receiver_under_the_same_id(world: World) -> None:
    world.notifier.send(world.takes)
    again = replace(world.takes, delivery=replace(world.takes.delivery, attempts_count=1))
    world.notifier.send(again)
    assert world.ids() == [world.takes.delivery.id] * 2


def test_what_is_not_taken_now_is_a_receipt_that_allows_another_try(world: World) -> None:
    world.fail_next(for_good=False)
    receipt = world.notifier.send(world.fails)
    assert receipt.error
    assert not receipt.is_final


def test_what_is_refused_for_good_is_a_receipt_that_says_so(world: World) -> None:
    world.fail_next(for_good=True)
    receipt = world.notifier.send(world.refuses)
    assert receipt.error
    assert receipt.is_final


@pytest.mark.parametrize("kind", [DeliveryKind.WEBHOOK, DeliveryKind.EMAIL])
def test_a_receiver_that_is_not_there_is_a_receipt_and_no_exception(kind: DeliveryKind) -> None:
    port = free_port()
    notifier: Notifier = (
        WebhookNotifier(webhook_settings()) if kind is DeliveryKind.WEBHOOK else EmailNotifier(email_settings(port))
    )
    address = f"http://127.0.0.1:{port}/" if kind is DeliveryKind.WEBHOOK else "ada@example.org"
    receipt = notifier.send(dispatch_of(kind, address))
    assert "could not be reached (Connection refused)" in receipt.error
    assert not receipt.is_final
