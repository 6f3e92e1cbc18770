"""What is read of Kubernetes' objects, in the API's own words; the rest of them is not looked at, secrets never."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from service.stores.validation import Moment

HISTORY = "deployment.kubernetes.io/revision-history"
"""The numbers that a revision had before rollbacks took it up again."""
REVISIONS = ("deployment.kubernetes.io/revision", "rollout.argoproj.io/revision")


def _none_is_empty(told: object) -> object:
    return () if told is None else told


Whole = TypeVar("Whole")
Many = Annotated[tuple[Whole, ...], BeforeValidator(_none_is_empty)]
"""A list, which the API may write as null where it is empty."""


def _none_is_no_words(told: object) -> object:
    return {} if told is None else told


Words = Annotated[dict[str, str], BeforeValidator(_none_is_no_words)]


class Part(BaseModel):
    """A part of an object."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Owner(Part):
    """Who made an object: of several, the controller."""

    kind: str
    name: str
    controller: bool = False


class Metadata(Part):
    """What every object has."""

    name: str = ""
    namespace: str = ""
    creation_timestamp: Moment | None = None
    labels: Words = {}
    annotations: Words = {}
    owner_references: Many[Owner] = ()

    @property
    def owner(self) -> Owner | None:
        """Its controller."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class FieldRef(Part):
    """A field of the pod that a variable takes its value from."""

    field_path: str = ""


class ValueFrom(Part):
    """Where a variable's value comes from, as far as that can be told from the pod alone."""

    field_ref: FieldRef | None = None


class Variable(Part):
    """A variable of a container's environment. Only values that name a service are ever looked at."""

    name: str
    value: str = ""
    value_from: ValueFrom | None = None


class Container(Part):
    """How a container is to run."""

    name: str = ""
    image: str = ""
    env: Many[Variable] = ()
    args: Many[str] = ()
    command: Many[str] = ()
    resources: dict[str, object] = {}


class PodSpec(Part):
    """What a pod is to be."""

    node_name: str = ""
    containers: Many[Container] = ()


class Template(Part):
    """The pods that a workload makes."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class Terminated(Part):
    """How a container ended."""

    reason: str = ""
    exit_code: int = 0
    finished_at: Moment | None = None


class Waiting(Part):
    """Why a container does not run."""

    reason: str = ""
    message: str = ""


class State(Part):
    """What a container does."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(Part):
    """How a container fares."""

    name: str = ""
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class PodStatus(Part):
    """How a pod fares."""

    phase: str = ""
    container_statuses: Many[ContainerStatus] = ()


class Pod(Part):
    """``v1`` Pod."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class _ReplicaSetSpec(Part):
    template: Template = Template()


class ReplicaSet(Part):
    """``apps/v1`` ReplicaSet: one revision of a Deployment, or of a Rollout of Argo."""

    metadata: Metadata
    spec: _ReplicaSetSpec = _ReplicaSetSpec()

    @property
    def number(self) -> int:
        """Its revision, which a rollback makes anew; 0 where it has none."""
        told = next((self.metadata.annotations[name] for name in REVISIONS if name in self.metadata.annotations), "")
        return int(told) if told.isdecimal() and len(told) < 10 else 0

    @property
    def first_number(self) -> int:
        """The number that it was made with."""
        first = self.metadata.annotations.get(HISTORY, "").partition(",")[0].strip()
        return int(first) if first.isdecimal() and len(first) < 10 else self.number

    @property
    def template(self) -> Template:
        """Its pods."""
        return self.spec.template


class _Data(Part):
    spec: _ReplicaSetSpec = _ReplicaSetSpec()


class ControllerRevision(Part):
    """``apps/v1`` ControllerRevision: one revision of a StatefulSet or a DaemonSet."""

    metadata: Metadata
    revision: int = 0
    data: _Data = _Data()

    @property
    def number(self) -> int:
        """Its revision."""
        return self.revision

    @property
    def first_number(self) -> int:
        """The same: of an earlier one nothing is kept."""
        return self.revision

    @property
    def template(self) -> Template:
        """Its pods."""
        return self.data.spec.template


class Condition(Part):
    """One of the conditions that a node is in."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: Moment | None = None


class _NodeStatus(Part):
    conditions: Many[Condition] = ()


class Node(Part):
    """``v1`` Node."""

    metadata: Metadata
    status: _NodeStatus = _NodeStatus()


class Reference(Part):
    """The object that an event speaks of."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Series(Part):
    last_observed_time: Moment | None = None


class Event(Part):
    """``v1`` Event."""

    metadata: Metadata
    involved_object: Reference = Reference()
    reason: str = ""
    message: str = ""
    first_timestamp: Moment | None = None
    last_timestamp: Moment | None = None
    event_time: Moment | None = None
    series: _Series | None = None

    @property
    def time(self) -> datetime | None:
        """When it was last so."""
        repeated = None if self.series is None else self.series.last_observed_time
        return repeated or self.last_timestamp or self.event_time or self.first_timestamp


Item = TypeVar("Item", bound=Part)


class _ListMetadata(Part):
    go_on: Annotated[str, Field(alias="continue")] = ""
    remaining_item_count: int = 0


class Page(Part, Generic[Item]):
    """A piece of a list; what is none says so by its kind, with whatever status it comes."""

    kind: Annotated[str, Field(pattern="List$")]
    metadata: _ListMetadata = _ListMetadata()
    items: Many[Item] = ()
