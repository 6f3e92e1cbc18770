import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.domain.component import service
from service.domain.fault import Fault
from service.domain.localization import Cause, Localization, RankedBy, Stop
from service.errors import SettingsError
from service.jobs.records import Claim, IncidentRecord, JobStatus, Lease, LocalizationRecord, Reason
from service.notify.courier import Target
from service.notify.interest import Interest
from service.settings import read_settings
from service.wiring.checkup import Report
from service.wiring.notify import examine_targets, open_targets
from tests.contracts.faulty import faulty, says
from tests.notify.telling import secret_file

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CLAIM = Claim(
    Lease("loc", 1),
    LocalizationRecord("loc", "inc", "shop", JobStatus.RUNNING, Reason.OPENED, NOW),
    IncidentRecord("inc", "shop", "g", (), NOW, NOW),
)
SURE = Localization(
    Stop.ANSWERED, RankedBy.FUSED, False, (Cause(service("cart"), Fault.CPU, 0.6, "", (), ()),), seconds=1.0
)
UNSURE = replace(SURE, unresolved=True)
ASKED = replace(CLAIM, localization=replace(CLAIM.localization, reason=Reason.ASKED))


@pytest.mark.parametrize(
    ("interest", "claim", "said", "wanted"),
    [
        (Interest(), CLAIM, SURE, True),
        (Interest(), CLAIM, UNSURE, True),
        (Interest(unresolved=False), CLAIM, UNSURE, False),
        (Interest(min_confidence=0.6), CLAIM, SURE, True),
        (Interest(min_confidence=0.61), CLAIM, SURE, False),
        (Interest(min_confidence=0.1), CLAIM, replace(UNSURE, causes=()), False),
        (Interest(), CLAIM, replace(UNSURE, causes=()), True),
        (Interest(tenants=frozenset({"shop"})), CLAIM, SURE, True),
        (Interest(tenants=frozenset({"bank"})), CLAIM, SURE, False),
        (Interest(), ASKED, SURE, False),
        (Interest(asked=True), ASKED, SURE, True),
    ],
)
def test_who_is_told_what(interest: Interest, claim: Claim, said: Localization, wanted: bool) -> None:
    assert interest.wants(claim, said) is wanted


def opened(directory: Path, *lines: str) -> Report:
    """The targets of a settings' file, looked at."""
    config = directory / "hypocenter.toml"
    config.write_text("\n".join(lines))

    async def look() -> Report:
        async with AsyncExitStack() as closing:
            targets: Sequence[Target] = open_targets(read_settings({}, config).notify, closing)
            return await examine_targets(targets)

    return asyncio.run(look())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['url = "http://x"'], "has a url but no kind"),
        (['kind = "pager"', 'url = "http://x"'], "should be one of webhook, slack, grafana, alertmanager"),
        (['kind = "grafana"'], "is of kind grafana, but has no url"),
        (['kind = "grafana"', 'url_file = "f"'], "its address is no secret"),
        (['kind = "webhook"', 'url = "http://x"', 'url_file = "f"'], "choose one"),
        (['kind = "slack"', 'url = "http://x/planted"'], "it should stand in a url_file"),
        (['kind = "slack"'], "is of kind slack, but has no url_file"),
        (['kind = "slack"', 'url_file = "/nowhere/url"'], "[notify.it] a credential cannot be read from /nowhere/url"),
        (['kind = "webhook"', 'url = "http://x"'], "has no secret_files"),
        (['kind = "webhook"', 'url = "http://x"', 'secret_files = ["/nowhere/k"]'], "cannot be read from /nowhere/k"),
        (['kind = "webhook"', 'url = "http://x"', 'secret_files = ["a", "b", "c"]'], "secret_files"),
        (['kind = "alertmanager"', 'url = "http://x"', 'labels = { fault = "x" }'], "tells what was found"),
        (['kind = "alertmanager"', 'url = "http://x"', "min_confidence = 2"], "notify.it.min_confidence"),
        (['kind = "alertmanager"', 'url = "http://x"', "colour = 1"], "notify.it.colour"),
    ],
)
def test_settings_that_cannot_be_meant_are_one_clear_line(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        opened(tmp_path, "[notify.it]", *lines)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "planted" not in str(caught.value)


def test_a_name_that_no_metric_should_carry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        opened(tmp_path, '[notify."on call <b>"]', 'kind = "grafana"', 'url = "http://x"')


def test_every_target_is_looked_at_and_none_is_told_anything(tmp_path: Path) -> None:
    async def look() -> tuple[Report, int]:
        async with faulty(says(200, b'{"versionInfo": {"version": "0.25.0"}}')) as server:
            secret_file(tmp_path, "url", f"{server.url}/services/hidden")
            lines = [
                "[notify.chat]",
                'kind = "slack"',
                f'url_file = "{tmp_path / "url"}"',
                "[notify.alerts]",
                'kind = "alertmanager"',
                f'url = "{server.url}"',
                "[notify.portal]",
                'kind = "webhook"',
                'url = "http://127.0.0.1:9/hook"',
                f'secret_files = ["{secret_file(tmp_path)}"]',
            ]
            report = await asyncio.to_thread(opened, tmp_path, *lines)
            return report, sum(bool(asked.body) for asked in server.asked)

    report, told = asyncio.run(look())
    chat, alerts, portal = report.lines
    assert chat.startswith("notify.chat: Slack at http://127.0.0.1:")
    assert chat.endswith("takes connections; nothing was sent")
    assert "Alertmanager 0.25.0" in alerts
    assert portal.startswith("notify.portal: the webhook at http://127.0.0.1:9/hook cannot be reached: ")
    assert "hidden" not in "".join(report.lines)
    assert (report.well, told) == (False, 0)
