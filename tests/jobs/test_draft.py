"""What is told at one time becomes what it would have become one after the other."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert import Alert
from service.jobs.draft import Draft, Telling
from service.jobs.grouping import Notification
from service.jobs.kin import Kin
from service.jobs.records import IncidentRecord, Receipt

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KIN = Kin.of([("a", "b"), ("b", "c"), ("d", "e")])


def alert(service: str, minute: int, over: bool) -> Alert:
    began = NOW + timedelta(minutes=minute)
    return Alert(f"of {service}", began, began + timedelta(minutes=1) if over else None, {"service": service})


alerts = st.builds(alert, st.sampled_from("abcdef"), st.integers(0, 9), st.booleans())
notifications = st.builds(
    Notification, st.just(""), st.sampled_from(["", "g1", "g2"]), st.lists(alerts, min_size=1, max_size=3).map(tuple)
)


def together(tellings: Sequence[Telling]) -> list[tuple[Receipt, ...]]:
    draft = Draft([])
    return [draft.take(telling, ()) for telling in tellings]


def in_turn(tellings: Sequence[Telling]) -> list[tuple[Receipt, ...]]:
    stored: dict[str, IncidentRecord] = {}
    receipts: list[tuple[Receipt, ...]] = []
    for telling in tellings:
        draft = Draft(list(stored.values()))
        receipts.append(draft.take(telling, stored))
        stored |= {written.incident.id: written.incident for written in draft.written()}
    return receipts


def named_in_order(receipts: Sequence[Sequence[Receipt]]) -> list[list[tuple[int, int, bool]]]:
    """The same, with ids that do not depend on chance."""
    incidents: dict[str, int] = {}
    localizations: dict[str, int] = {}
    return [
        [
            (
                incidents.setdefault(r.incident_id, len(incidents)),
                localizations.setdefault(r.localization_id, len(localizations)),
                r.queued,
            )
            for r in of_one
        ]
        for of_one in receipts
    ]


@given(st.lists(notifications, max_size=8))
def test_what_is_told_together_becomes_what_it_becomes_in_turn(told: list[Notification]) -> None:
    tellings = [Telling(one, NOW + timedelta(minutes=n), KIN) for n, one in enumerate(told)]
    assert named_in_order(together(tellings)) == named_in_order(in_turn(tellings))
