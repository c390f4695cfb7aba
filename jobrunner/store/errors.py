"""What pymongo and mongoengine raise, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mongoengine.errors import NotUniqueError, OperationError
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from jobrunner.errors import StoreUnavailable

REFUSALS = (13, 18)  # MongoDB's Unauthorized, AuthenticationFailed


@contextmanager
def translating_errors() -> Iterator[None]:
    """Raise StoreUnavailable for any trouble with MongoDB; a duplicate key is an answer, and goes through."""
    try:
        yield
    except (DuplicateKeyError, NotUniqueError):  # the latter is mongoengine's, an OperationError
        raise
    except (PyMongoError, OperationError) as error:
        # mongoengine's own errors keep MongoDB's as what they were raised from, or about.
        cause = error if isinstance(error, OperationFailure) else error.__cause__ or error.__context__
        if isinstance(cause, OperationFailure) and cause.code in REFUSALS:
            refusal = "MongoDB refuses the user or the password in mongodb_url, or the user may not use the database"
            raise StoreUnavailable(refusal, is_refusal=True) from error
        # The message of a pymongo error can hold addresses and whole commands: only its kind is passed on.
        raise StoreUnavailable(f"MongoDB does not answer ({type(error).__name__})") from error
