"""New revisions of workloads: what was deployed, configured or restarted on purpose."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from service.stores.kubernetes.naming import Names, owner_name
from service.stores.kubernetes.objects import Container, ControllerRevision, ReplicaSet, Template
from service.stores.kubernetes.row import Row

Revision = ReplicaSet | ControllerRevision

RESTARTED = "kubectl.kubernetes.io/restartedAt"
CHANGE_CAUSE = "kubernetes.io/change-cause"


def rollouts(revisions: Iterable[Revision], names: Names) -> Iterator[Row]:
    """A row for each revision that has a predecessor, and for each workload that is new."""
    workloads: dict[tuple[str, str], list[Revision]] = defaultdict(list)
    for revision in revisions:
        meta = revision.metadata
        workloads[meta.namespace, owner_name(meta.owner, meta.name)].append(revision)
    for (namespace, workload), its in workloads.items():
        yield from _of_workload(names.of_workload(namespace, workload), its)


def _of_workload(service: str, revisions: Sequence[Revision]) -> Iterator[Row]:
    """A revision took over when it was made. A rollback takes an old one up again, under a new number: events tell when
    (`happenings`), and the time at which it was made is that of its first number.
    """
    made = [(r.metadata.creation_timestamp, r) for r in revisions]
    ordered = sorted(((time, r) for time, r in made if time is not None), key=lambda one: one[0])
    before: Revision | None = None
    for time, revision in ordered:
        kind, what = _first(revision) if before is None else _difference(before, revision)
        cause = revision.metadata.annotations.get(CHANGE_CAUSE, "")
        yield Row(time, service, kind, f"revision {revision.first_number}, {what}" + (f" ({cause})" if cause else ""))
        before = revision


def _first(revision: Revision) -> tuple[str, str]:
    """Of an old workload the predecessor may be gone."""
    return "deploy", f"{'now' if revision.first_number > 1 else 'new,'} {images(revision.template)}"


def images(template: Template) -> str:
    """What its containers run, without the registry."""
    return ", ".join(_image(container) for container in template.spec.containers)


def _difference(before: Revision, after: Revision) -> tuple[str, str]:
    """The kind of a change and what it was, in words. Of variables only names are told: values may be secret."""
    old, new = before.template, after.template
    if [c.image for c in old.spec.containers] != [c.image for c in new.spec.containers]:
        return "deploy", f"{images(old)} → {images(new)}"
    if altered := list(dict.fromkeys(_altered(old, new))):
        return "config", f"same image, other {', '.join(altered)}"
    if old.metadata.annotations.get(RESTARTED) != new.metadata.annotations.get(RESTARTED):
        return "restart", "restarted on purpose, nothing else is new"
    return "config", "same image, another template"


def _altered(old: Template, new: Template) -> Iterator[str]:
    for before, after in zip(old.spec.containers, new.spec.containers, strict=False):
        told, now = ({v.name: (v.value, v.value_from) for v in c.env} for c in (before, after))
        yield from (name for name in sorted(told.keys() | now.keys()) if told.get(name) != now.get(name))
        if before.resources != after.resources:
            yield "resources"
        if (before.args, before.command) != (after.args, after.command):
            yield "arguments"


def _image(container: Container) -> str:
    return container.image.rpartition("/")[2].partition("@sha256:")[0] or container.name
