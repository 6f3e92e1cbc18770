"""Libraries that only some commands need. Such a command asks for them before it begins, not when it first uses one."""

from importlib.util import find_spec

from service.errors import CallerError

EXTRAS = {
    "evaluation": ("baro", "pandas"),
    "testbed": (
        "opentelemetry.instrumentation.asgi",
        "opentelemetry.instrumentation.httpx",
        "opentelemetry.instrumentation.psycopg",
        "opentelemetry.instrumentation.redis",
        "psutil",
        "psycopg",
        "psycopg_pool",
    ),
    "train": ("jinja2", "matplotlib", "tokenizers", "torch"),
}
"""The extras of the package, and the modules that are imported of each."""

BESIDE = {"train": "torch"}
"""What an extra does not bring, because which build of it is right depends on the machine."""


class AbsentError(CallerError):
    """A library of an extra is not installed."""


def absent(extra: str, *only: str) -> list[str]:
    """The modules of the extra, or of those named, that are not installed."""
    return [name for name in only or EXTRAS[extra] if not _is_there(name)]


def need(extra: str, command: str, *only: str) -> None:
    """Raises `AbsentError`, which says what to install, where the extra, or those modules of it, are not there."""
    if names := absent(extra, *only):
        beside = f"{BESIDE[extra]} " if BESIDE.get(extra) in names else ""
        raise AbsentError(f"{command} needs {', '.join(names)}: pip install {beside}'.[{extra}]'")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a name with dots the first part is imported
        return False
