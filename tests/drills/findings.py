"""What is left after a storm, read over HTTP as anybody would, beside what was acknowledged."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.drills.client import Log
from tests.drills.receiver import Told
from tests.waiting import LIMIT_S, wait_until

DRILL_S = 2 * LIMIT_S
"""What all localizations of a storm may take together."""

ENDED = ("done", "failed", "dropped")


@dataclass(frozen=True, slots=True)
class Findings:
    """What a drill found out. ``lost`` and ``doubled`` name alerts and localizations; both should be empty."""

    incidents: int
    localizations: Mapping[str, int]
    lost: tuple[str, ...]
    doubled: tuple[str, ...]


def findings(url: str, log: Log, told: Told) -> Findings:
    """Wait until everything has ended and was told, then compare."""
    wait_until(lambda: not _under_way(url), lambda: f"localizations did not end: {_under_way(url)}", limit_s=DRILL_S)
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        incidents = list(_incidents(client))
        records = {ref["id"]: ref["status"] for incident in incidents for ref in incident["localizations"]}
        for id_, status in records.items():
            if status == "done":
                wait_until(lambda id_=id_: id_ in told.answers, lambda id_=id_: f"nobody was told of {id_}")
        lost = [*_alerts_lost(incidents, log), *(f"{id_} is not there" for id_ in log.queued if id_ not in records)]
        lost += [f"{id_} has no answer: {why}" for id_, why in _unanswered(client, records)]
    doubled = [*_alerts_doubled(incidents), *(id_ for id_, seen in told.answers.items() if len(seen) > 1)]
    doubled += [f"{id_} queued {n} times" for id_, n in Counter(log.queued).items() if n > 1]
    return Findings(len(incidents), Counter(records.values()), tuple(lost), tuple(doubled))


def _under_way(url: str) -> list[str]:
    with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
        found = _incidents(client)
        return [ref["id"] for one in found for ref in one["localizations"] if ref["status"] not in ENDED]


def _incidents(client: httpx.Client) -> Iterator[dict[str, Any]]:
    cursor = ""
    while cursor is not None:
        page = client.get("/v1/incidents", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200, page.text
        yield from page.json()["incidents"]
        cursor = page.json()["next_cursor"]


def _pairs(incidents: list[dict[str, Any]]) -> Counter[tuple[str, datetime]]:
    return Counter((a["fingerprint"], datetime.fromisoformat(a["starts_at"])) for i in incidents for a in i["alerts"])


def _alerts_lost(incidents: list[dict[str, Any]], log: Log) -> list[str]:
    return [f"alert {fingerprint} of {began}" for fingerprint, began in log.alerts - set(_pairs(incidents))]


def _alerts_doubled(incidents: list[dict[str, Any]]) -> list[str]:
    return [f"alert {pair} is in {n} incidents" for pair, n in _pairs(incidents).items() if n > 1]


def _unanswered(client: httpx.Client, records: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that are done without an answer (an honest one may name no cause: on a machine that is busy, telemetry may
    not come in time), or ended otherwise without saying why.
    """
    for id_, status in records.items():
        said = client.get(f"/v1/localizations/{id_}").json()
        if said["id"] != id_ or not said["stop" if status == "done" else "error"]:
            yield id_, f"{status}, {said.get('error')}"
