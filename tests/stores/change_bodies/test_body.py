import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import CallerError
from service.stores.change_bodies.body import parse_change_body
from service.stores.change_bodies.told import Told, ToldChange
from service.text import is_printable
from tests.strangers import HOSTILE, VALUES, spoiled

Body = dict[str, Any]
TIME = "2026-03-04T06:06:07.5+01:00"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, 500_000, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"


def cdevent(kind: str = "service.deployed.0.2.0", **context: str) -> Body:
    return {
        "context": {"version": "0.4.1", "id": "1", "source": "/ci", "type": f"dev.cdevents.{kind}", **context},
        "subject": {
            "id": "service/cart",
            "type": "service",
            "content": {"environment": {"id": "production"}, "artifactId": "pkg:oci/cart@sha256%3A0b31"},
        },
    }


def cloudevent(data: object, kind: str = "acme.changed", **more: object) -> Body:
    return {"specversion": "1.0", "id": "1", "source": "/ci", "type": kind, "data": data, **more}


PLAIN = {"service": "cart", "kind": "config", "summary": "timeout 2 s"}


def application(phase: str = "Succeeded", resources: object = None) -> Body:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "status": {
            "operationState": {
                "phase": phase,
                "finishedAt": TIME,
                "syncResult": {"revision": SHA, "resources": resources},
            },
            "summary": {"images": ["registry/cart:1.3"]},
        },
    }


def deployment(state: str | None = None, **parts: object) -> Body:
    hook: Body = {
        "action": "created",
        "deployment": {
            "id": 42,
            "sha": SHA,
            "ref": "main",
            "task": "deploy",
            "environment": "production",
            "description": None,
            "created_at": "2026-03-04T05:00:00Z",
            "payload": "",
            **parts,
        },
        "repository": {"name": "cart", "full_name": "acme/cart"},
    }
    return hook if state is None else hook | {"deployment_status": {"state": state, "created_at": TIME}}


def only(body: object, headers: dict[str, str] | None = None) -> ToldChange:
    (change,) = parse_change_body(body, headers or {}).changes
    return change


def test_a_plain_change_is_what_it_says() -> None:
    assert only({**PLAIN, "time": TIME}) == ToldChange("cart", "config", "timeout 2 s", MOMENT)


def test_a_cdevent_tells_service_environment_and_artifact() -> None:
    told = only(cdevent(timestamp=TIME))
    assert told == ToldChange(
        "cart", "deploy", "service cart deployed in production: pkg:oci/cart@sha256%3A0b31", MOMENT
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("service.upgraded.0.2.0", "deploy"),
        ("service.rolledback.0.3.0-draft", "deploy"),
        ("environment.modified.0.2.0", "config"),
    ],
)
def test_every_change_of_cdevents_has_its_kind(kind: str, expected: str) -> None:
    assert only(cdevent(kind)).kind == expected


@pytest.mark.parametrize("kind", ["build.started.0.2.0", "incident.detected.0.2.0", "", "service"])
def test_what_a_pipeline_says_beside_changes_is_ignored(kind: str) -> None:
    told = parse_change_body(cdevent(kind), {})
    assert (told.changes, "no change" in told.ignored) == ((), True)


def test_a_cloudevent_is_the_same_in_all_three_modes() -> None:
    data = cdevent(timestamp=TIME)
    kind = data["context"]["type"]
    headers = {"ce-specversion": "1.0", "ce-type": kind, "ce-source": "/ci", "ce-id": "1"}
    bare = only(data)
    assert only(data, headers) == bare
    assert only(cloudevent(data, kind)) == bare
    assert only([cloudevent(data, kind)]) == bare


def test_data_may_be_packed() -> None:
    packed = base64.b64encode(json.dumps(PLAIN).encode()).decode()
    structured = {"specversion": "1.0", "type": "acme.changed", "data_base64": packed}
    assert only(structured) == only(cloudevent(json.dumps(PLAIN))) == only(PLAIN)


def test_without_a_time_of_its_own_a_change_has_that_of_its_envelope() -> None:
    assert only(cloudevent(PLAIN, time=TIME)).time == MOMENT
    assert only(PLAIN, {"ce-specversion": "1.0", "ce-type": "a%20b", "ce-time": TIME}).time == MOMENT
    assert only(PLAIN).time is None


def test_an_application_tells_of_each_workload_that_was_altered() -> None:
    resources = [
        {"kind": "Deployment", "name": "cart", "message": "deployment.apps/cart configured"},
        {"kind": "Deployment", "name": "pay", "message": "deployment.apps/pay unchanged"},
        {"kind": "Service", "name": "cart", "message": "service/cart configured"},
    ]
    told = only(application(resources=resources))
    assert (told.service, told.kind, told.time) == ("cart", "deploy", MOMENT)
    assert told.summary == "Argo CD synced shop to 01234567, succeeded: deployment.apps/cart configured"


@pytest.mark.parametrize("key", ["app", "application"])
def test_an_application_that_names_no_workload_stands_for_itself(key: str) -> None:
    told = only({key: application()})
    assert (told.service, told.summary) == (
        "shop",
        "Argo CD synced shop to 01234567, succeeded: registry/cart:1.3",
    )


def test_a_sync_that_goes_on_is_no_change_yet() -> None:
    assert parse_change_body(application("Running"), {}).ignored


def test_a_deployment_of_github_begins_and_ends() -> None:
    begun, ended = only(deployment()), only(deployment("failure"))
    assert begun.summary == "deploy of cart main (01234567) to production, begins"
    assert ended.summary == "deploy of cart main (01234567) to production, failure"
    assert (begun.service, ended.time) == ("cart", MOMENT)


def test_who_deploys_may_name_the_service() -> None:
    assert only(deployment(payload={"service": "cart-worker"})).service == "cart-worker"


@pytest.mark.parametrize("body", [deployment("pending"), {"zen": "Keep it simple.", "hook_id": 1}])
def test_what_github_says_beside_is_ignored(body: Body) -> None:
    told = parse_change_body(body, {})
    assert (told.changes, bool(told.ignored)) == ((), True)


NONSENSE: list[tuple[Any, str]] = [
    ([], "batch"),
    ([PLAIN], "batch"),
    (cloudevent(PLAIN, specversion="0.3"), "specversion"),
    (cloudevent("{"), "data"),
    (cloudevent([1]), "acme.changed"),
    (cloudevent({"hello": 1}), "service"),
    ({"specversion": "1.0", "type": "x", "data_base64": "§"}, "data"),
    ({"context": {"type": "dev.cdevents.service.deployed.0.2.0"}, "subject": {}}, "subject.id"),
    (cdevent(timestamp="noon"), "timestamp"),
    ({"app": application() | {"metadata": {}}}, "metadata.name"),
    (deployment() | {"repository": {}}, "repository.name"),
    (PLAIN | {"service": " "}, "service"),
]


@pytest.mark.parametrize(("body", "named"), NONSENSE)
def test_what_cannot_be_meant_is_refused_by_name(body: Any, named: str) -> None:
    with pytest.raises(CallerError, match=named) as refused:
        parse_change_body(body, {})
    assert "\n" not in str(refused.value)


def test_what_strangers_write_becomes_printable_and_bearable() -> None:
    told = only(PLAIN | {"service": "c\x1bart" * 70, "summary": "a\nb"})
    assert is_printable(told.service)
    assert len(told.service) <= 300
    assert is_printable(told.summary)


LEAVES = VALUES | st.sampled_from([TIME, SHA, "success"])
SHAPES = [
    PLAIN,
    cdevent(),
    cloudevent(PLAIN),
    cloudevent(cdevent(), "dev.cdevents.x"),
    application(),
    deployment("success"),
]


WORDS = HOSTILE | st.text(max_size=8) | st.sampled_from(["1.0", TIME, "acme.changed", "dev.cdevents.x"])
HEADERS = st.dictionaries(
    st.sampled_from(["ce-specversion", "ce-type", "ce-time"]),
    WORDS | WORDS.map(lambda word: quote(word, errors="replace")),
)


@given(spoiled(SHAPES, LEAVES), st.just(dict[str, str]()) | HEADERS)
@example(cloudevent(PLAIN, specversion="\x1f"), {})
@example(cloudevent([1], kind="\x1f"), {})
@example(deployment("\x1f"), {})
@example(PLAIN, {"ce-specversion": "%1f", "ce-type": "acme.changed"})
@example(PLAIN | {"\x1f": 1}, {})
def test_whatever_comes_is_told_ignored_or_refused(body: Any, headers: dict[str, str]) -> None:
    try:
        told = parse_change_body(body, headers)
    except CallerError as error:
        told = Told(ignored=str(error))
    assert bool(told.changes) != bool(told.ignored)
    assert is_printable(told.ignored)
    assert all(change.service and is_printable(change.service + change.summary) for change in told.changes)
