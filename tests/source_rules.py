"""What the tree of a source tells of how it deals with time and with what tests share: rules of the house, which
`tests.test_architecture` applies.
"""

import ast
import functools
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Rule = Callable[[ast.Module], Iterable[int]]
"""Names the lines of a source that break it."""

CLOCK = re.compile(r"(^|\.)((utc)?now|today|(monotonic|perf_counter|process_time)(_ns)?)$|^time(\.time(_ns)?)?$")
STOPWATCH = re.compile(r"(^time\.(time|monotonic|perf_counter|process_time)(_ns)?|loop(\(\))?\.time)$")
STOPWATCHES = {
    f"{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")
}
SLEEP = re.compile(r"(^|\.)sleep$")
NEVER_S = 3600
"""Who sleeps for so long stands for what never answers."""
WRITING = set("append add clear discard extend insert pop popitem remove reverse set setdefault sort update".split())


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The tree of a file, which is read once."""
    return tree_of(path.read_text())


def tree_of(text: str) -> ast.Module:
    """The tree of a source.

    CPython 3.11 counts the depth of a tree that it makes once for the whole interpreter: "AST constructor recursion
    depth mismatch" is raised if anything else is parsed meanwhile. A garbage collection can do that, where a finalizer
    formats a traceback; so there is none.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if collects:
            gc.enable()


def called(node: ast.AST) -> str:
    """What a node calls, as it is written; "" if it is no call."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """All that is evaluated when a module is imported: not what functions do, but their decorators and defaults."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                waiting += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
                waiting += [] if isinstance(node, ast.Lambda) else node.decorator_list
            case ast.If() if "__name__" in ast.unparse(node.test):
                waiting += node.orelse
            case _:
                waiting += ast.iter_child_nodes(node)


def clocks_at_import(tree: ast.Module) -> Iterator[int]:
    """Clocks that are read when a module is imported, be it by a function of its own."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    calls = {function.name: {called(node) for node in ast.walk(function)} for function in functions}
    readers = {name for name, names in calls.items() if any(map(CLOCK.search, names))}
    while more := {name for name, names in calls.items() if names & readers} - readers:
        readers |= more
    for node in at_import(tree):
        if isinstance(node, ast.Call) and (CLOCK.search(called(node)) or called(node) in readers or stamps(node)):
            yield node.lineno


def stamps(node: ast.Call) -> bool:
    """Whether it packs bytes together with the time: processes that run tests would not know the same tests."""
    return called(node) == "gzip.compress" and "mtime" not in {keyword.arg for keyword in node.keywords}


def sleeps(tree: ast.Module) -> Iterator[int]:
    """Waiting for some time, be it too short or too long, instead of for something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and SLEEP.search(called(node)):
            match node.args:
                case [ast.Constant(value=int(seconds))] if seconds == 0 or seconds >= NEVER_S:
                    pass
                case _:
                    yield node.lineno


def measured_times(tree: ast.Module) -> Iterator[int]:
    """Clocks that tell how long something takes, and what is asserted of the time since another."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute() if STOPWATCH.search(ast.unparse(node)):
                yield node.lineno
            case ast.ImportFrom(module="time") if {alias.name for alias in node.names} & STOPWATCHES:
                yield node.lineno
            case ast.Assert():
                apart = [n for n in ast.walk(node.test) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)]
                if any(CLOCK.search(called(side)) for minus in apart for side in (minus.left, minus.right)):
                    yield node.lineno
            case _:
                pass


def base(node: ast.AST) -> str:
    """The name that ``a.b[c].d`` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def written(function: ast.AST) -> Iterator[tuple[str, int]]:
    """Names whose values a function alters, without giving the names other ones, and where."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in WRITING:
                yield f"{name}.{method}", node.lineno
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                yield base(node), node.lineno
            case ast.Global():
                yield from ((name, node.lineno) for name in node.names)
            case _:
                pass


def shared_state(tree: ast.Module) -> Iterator[int]:
    """What a function writes that other tests read: values of the module's names, or parts of another module."""
    evaluated = list(at_import(tree))
    imported = [node for node in evaluated if isinstance(node, ast.Import | ast.ImportFrom)]
    others = {(alias.asname or alias.name).split(".")[0] for node in imported for alias in node.names}
    typed = [node for node in evaluated if isinstance(node, ast.AnnAssign) and node.value is not None]
    others |= {base(node.target) for node in typed if base(node.value or node) in others}  # by another name
    values = {node.id for node in evaluated if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    methods = {f"{name}.{method}" for name in values - others for method in WRITING}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            own = own_names(function)
            for name, line in written(function):
                if name in values | others | methods and name.split(".")[0] not in own:
                    yield line


def own_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names that mean something else in a function than in its module."""
    inside = list(ast.walk(function))
    arguments = {node.arg for node in inside if isinstance(node, ast.arg)}
    stored = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return (arguments | stored) - {name for node in inside if isinstance(node, ast.Global) for name in node.names}


def unheld_ports(tree: ast.Module) -> Iterator[int]:
    """Ports that were free when somebody looked, and may be another's when they are used."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.alias(name=name):
                if "free_port" in name:
                    yield node.lineno
            case _:
                pass
