"""GitHub's webhooks of deployments: ``deployment`` and ``deployment_status``."""

from typing import Annotated

from pydantic import Field

from service.stores.change_bodies.told import Told, Wire, change, fields, ignore, read, short_revision
from service.stores.validation import Moment

_ENDED = frozenset({"success", "failure", "error"})


class _Repository(Wire):
    name: Annotated[str, Field(min_length=1)]


class _Deployment(Wire):
    id: int | None = None
    sha: str | None = None
    ref: str | None = None
    task: str | None = None
    environment: str | None = None
    description: str | None = None
    created_at: Moment | None = None
    payload: object = None

    @property
    def service(self) -> str:
        """The service that whoever deployed named in the payload; a repository may hold several."""
        named = fields(self.payload).get("service")
        return named if isinstance(named, str) else ""


class _Status(Wire):
    state: str
    created_at: Moment | None = None


class _Hook(Wire):
    repository: _Repository
    deployment: _Deployment
    deployment_status: _Status | None = None


def is_github(body: object) -> bool:
    """Whether the body is one of these hooks, or the one by which GitHub tries a hook."""
    there = fields(body).keys()
    return {"deployment", "repository"} <= there or {"zen", "hook_id"} <= there


def github_changes(body: object) -> Told:
    """The change that the hook tells of: a deployment that begins, or how it ended.

    Raises `service.errors.CallerError`.
    """
    if "deployment" not in fields(body):
        return ignore("GitHub tries the hook")
    hook = read(_Hook, body)
    deployment, status = hook.deployment, hook.deployment_status
    if status is not None and status.state not in _ENDED:
        return ignore(f'the deployment has the state "{status.state[:40]}": it has not ended')
    name = deployment.service or hook.repository.name
    time = deployment.created_at if status is None else status.created_at
    return Told((change(name, "deploy", _summary(hook), time),))


def _summary(hook: _Hook) -> str:
    told, state = hook.deployment, "begins" if hook.deployment_status is None else hook.deployment_status.state
    what = " ".join(filter(None, (told.ref, f"({short_revision(told.sha)})" if told.sha else "")))
    where = f" to {told.environment}" if told.environment else ""
    task = told.task or "deploy"
    tail = f": {told.description}" if told.description else ""
    return f"{task} of {hook.repository.name} {what}{where}, {state}{tail}"
