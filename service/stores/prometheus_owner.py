"""Whose a series is by its labels, where a scrape's own labels may stand in the way of the series'."""

from collections.abc import Mapping, Sequence
from typing import Final

from service.domain import names

EXPORTED: Final = "exported_"
"""What Prometheus calls a series' own label where the scrape has one of that name, and is not told to honor it."""
SCRAPED: Final = ("service", "app", "job", "container", "pod", "namespace", "node", "instance")
NAMESPACES: Final = ("service_namespace", "k8s_namespace_name", "namespace")
ALSO: Final = (*(f"{EXPORTED}{name}" for name in SCRAPED), *NAMESPACES)
"""What has to be asked for beside the labels that name services, pods and nodes."""
_OF_PODS: Final = ("pod", "container", "namespace", "node")
"""What an exporter that tells of pods may have of theirs under the plain name, beside exported labels."""


def own_labels(labels: Mapping[str, str], *, of_pods: bool) -> Mapping[str, str]:
    """The labels that are the series' own: exported ones under their plain names, and of the scrape's none beside them;
    without those that only say that nobody knows.
    """
    own = {name.removeprefix(EXPORTED): value for name, value in labels.items() if name.startswith(EXPORTED)}
    scraped = [name for name in SCRAPED if own and not (of_pods and name in _OF_PODS)]
    plain = {name: value for name, value in labels.items() if not name.startswith(EXPORTED) and name not in scraped}
    return {name: value for name, value in {**plain, **own}.items() if not names.is_missing(value)}


def service_of(labels: Mapping[str, str], by: Sequence[str]) -> str:
    """The service that the first of these labels names, with its namespace where one is named."""
    namespace, name = names.parted(next((labels[label] for label in by if labels.get(label)), ""))
    return names.joined(namespace or namespace_of(labels), name)


def namespace_of(labels: Mapping[str, str]) -> str:
    """The namespace that a series' own labels name, or ""."""
    return next((labels[label] for label in NAMESPACES if labels.get(label)), "")
