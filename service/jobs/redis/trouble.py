"""What a server's errors mean for whoever has to mend it."""

import os
import socket
import ssl

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as ClientTimeoutError

LONGEST = 300

_REPLICA = "is a read-only replica, should be the primary"
_FORBIDDEN = "its user may not do all that is needed, which is {needed}"
_CLUSTER = "is a cluster, should be a single primary"

_MEANINGS = (
    (AuthenticationError, "Authentication required", "wants a password: set redis.password_file"),
    (AuthenticationError, "", "refuses the password, or the user: see redis.password_file and the address"),
    (BusyLoadingError, "", "is loading its data set: it can be used when that is done"),
    (OutOfMemoryError, "", "is full: give it more memory (maxmemory), or keep less (retention.keep_s, .keep_count)"),
    (ReadOnlyError, "", _REPLICA),
    (MasterDownError, "", _REPLICA),
    (NoPermissionError, "", _FORBIDDEN),
    (ResponseError, "ACL failure in script", _FORBIDDEN),
    (ResponseError, "The user executing the script can't", _FORBIDDEN),
    (ResponseError, "unknown command", "does not know all commands that are needed: may one be renamed?"),
    (ResponseError, "non local key", _CLUSTER),
    (ResponseError, "NOREPLICAS", "takes no writes without its replicas (min-replicas-to-write)"),
    (ResponseError, "MISCONF", "takes no writes, as it cannot write to its disk: is that full?"),
    (ResponseError, "DB index is out of range", "has no database of that number"),
    (ConnectionError, "max number of clients", "has too many clients (maxclients)"),
    (ConnectionError, "No connection available", "is asked too much at once: no connection was free in time"),
    (ConnectionError, "Connection lost", "broke the connection off: it stopped, or has too many clients (maxclients)"),
    (
        ConnectionError,
        "Connection closed",
        "broke the connection off: it stopped, or has too many clients (maxclients)",
    ),
    (InvalidResponse, "", "is no Redis or Valkey, or wants TLS (rediss://)"),
)
"""By the kind of error and what its text holds: the first that fits."""


def in_words(error: RedisError | OSError, limit_s: float, prefix: str) -> str:
    """What to say after the server's name, on one line. ``limit_s`` is how long was waited for it, ``prefix`` that of
    our keys. What it means is said in our words, what is not known here in the server's.
    """
    told = str(error)
    if isinstance(error, TimeoutError | ClientTimeoutError):
        return f"no answer within {limit_s:g} s"
    for kind, text, meaning in _MEANINGS:
        if isinstance(error, kind) and text in told:
            return meaning.format(needed=permissions(prefix))
    if isinstance(error, ConnectionError) and isinstance(cause := error.__context__, OSError):
        return f"cannot be reached: {_reason(cause)}"
    return " ".join(told.split())[:LONGEST] or type(error).__name__


def permissions(prefix: str) -> str:
    """What its user has to be allowed, as an access control list says it."""
    return f"~{prefix}* &{prefix}* +@read +@write +@scripting +@pubsub +@connection +info"


def _reason(error: OSError) -> str:
    """Why there is no connection, without the numbers and the address, which stands before it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): see redis.ca_file"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS there"
    if isinstance(error, socket.gaierror) or not error.errno:
        return " ".join(str(error.strerror or error).split())[:LONGEST]
    return os.strerror(error.errno)
