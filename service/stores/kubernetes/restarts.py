"""Containers that ended and pods that cannot start."""

from collections.abc import Iterable, Iterator

from service.stores.kubernetes.naming import Names
from service.stores.kubernetes.objects import ContainerStatus, Pod, Terminated
from service.stores.kubernetes.row import Row

UNSTARTABLE = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
)


def restarts(pods: Iterable[Pod], names: Names) -> Iterator[Row]:
    """A row for the last end of every container that did not end well, or that was started again."""
    for pod in pods:
        service = names.of_pod(pod)
        for status in pod.status.container_statuses:
            yield from _ends(service, pod, status)
            yield from _never_began(service, pod, status)


def _ends(service: str, pod: Pod, status: ContainerStatus) -> Iterator[Row]:
    now, last = status.state.terminated, status.last_state.terminated
    for end in (now, last):
        well = end is now and (end is None or end.exit_code == 0)
        if end is not None and end.finished_at is not None and not well:
            yield Row(end.finished_at, service, "restart", f"{_container(pod, status)} {_ended(end, status)}")


def _ended(end: Terminated, status: ContainerStatus) -> str:
    again = f", {status.restart_count} restarts so far" if status.restart_count > 1 else ""
    waits = status.state.waiting.reason if status.state.waiting else ""
    return f"ended: {end.reason or 'ended'} (exit code {end.exit_code}){again}{waits and f', now {waits}'}"


def _never_began(service: str, pod: Pod, status: ContainerStatus) -> Iterator[Row]:
    waiting, made = status.state.waiting, pod.metadata.creation_timestamp
    if waiting is not None and waiting.reason in UNSTARTABLE and made is not None:
        what = f"{_container(pod, status)} cannot start: {waiting.reason}"
        yield Row(made, service, "deploy", f"{what}: {waiting.message}" if waiting.message else what)


def _container(pod: Pod, status: ContainerStatus) -> str:
    alone = len(pod.spec.containers) <= 1
    return f"pod {pod.metadata.name}" if alone else f"container {status.name} of pod {pod.metadata.name}"
