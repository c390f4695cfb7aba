"""What pymongo and mongoengine raise, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mongoengine.errors import NotUniqueError, OperationError
from pymongo.errors import DuplicateKeyError, PyMongoError

from jobrunner.errors import StoreUnavailable


@contextmanager
def translating_errors() -> Iterator[None]:
    """Raise StoreUnavailable for any trouble with MongoDB; a duplicate key is an answer, and goes through."""
    try:
        yield
    except (DuplicateKeyError, NotUniqueError):  # the latter is mongoengine's, an OperationError
        raise
    except (PyMongoError, OperationError) as error:
        # The message of a pymongo error can hold addresses and whole commands: only its kind is passed on.
        raise StoreUnavailable(f"MongoDB does not answer ({type(error).__name__})") from error
