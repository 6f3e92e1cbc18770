from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.errors import CallerError
from service.settings import Settings
from service.stores.embedded.query import EmbeddedTelemetry
from service.wiring.sources import Source, open_source
from service.wiring.tenants import TenantSources, open_sources, settings_of, settings_of_known

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:9"


def asked_as(tenant: str, **more: object) -> Settings:
    """Settings by which a Mimir is asked as that tenant."""
    return Settings.model_validate({"metrics": {"kind": "mimir", "url": URL, "tenant": tenant}, **more})


def sent_by(source: Source) -> list[str]:
    """The tenants in whose names its servers are asked."""
    return [backend.access.sent().get("X-Scope-OrgID", "") for backend in source.backends]


@pytest.fixture
async def sources() -> AsyncIterator[TenantSources]:
    opened = open_sources(asked_as("{tenant}"))
    assert opened is not None
    yield opened
    await opened.aclose()


async def test_a_server_is_asked_in_the_name_of_the_incidents_tenant(sources: TenantSources) -> None:
    for tenant in ("shop", "bank", ""):
        async with sources.lent(tenant) as source:
            assert sent_by(source) == [tenant]


async def test_what_one_tenants_adapters_remember_no_other_sees(sources: TenantSources) -> None:
    async with sources.lent("shop") as shop, sources.lent("bank") as bank, sources.lent("shop") as again:
        assert shop is again
        assert shop.telemetry.metrics is not bank.telemetry.metrics
        assert not {id(b) for b in shop.backends} & {id(b) for b in bank.backends}


async def test_where_nothing_differs_all_share_what_is_there() -> None:
    opened = open_sources(asked_as("always-the-same"))
    assert opened is not None
    async with opened.lent("shop") as shop, opened.lent("bank") as bank:
        assert shop is bank is opened.shared
        assert sent_by(shop) == ["always-the-same"]
    await opened.aclose()


async def test_telemetry_that_a_tenant_sends_here_is_its_own(tmp_path: Path) -> None:
    opened = open_sources(Settings.model_validate({"telemetry": {"embedded": tmp_path}}))
    assert opened is not None
    found: dict[str, str] = {}
    for tenant in ("", "shop"):
        async with opened.lent(tenant) as source:
            assert isinstance(source.telemetry.traces, EmbeddedTelemetry)
            found[tenant] = await source.telemetry.traces.found()
    assert f"{tmp_path}: " in found[""]
    assert f"{tmp_path / 'tenants' / 'shop'}: " in found["shop"]
    await opened.aclose()


async def test_what_nobody_used_for_long_is_closed_and_what_is_in_use_is_not() -> None:
    closed: list[str] = []
    settings = asked_as("{tenant}")

    def counted(theirs: Settings) -> Source | None:
        opened = open_source(theirs, httpx.MockTransport(lambda _: httpx.Response(200)))
        assert opened is not None
        tenant = theirs.metrics.tenant

        async def aclose() -> None:
            closed.append(tenant)
            await opened.aclose()

        return Source(opened.telemetry, opened.windows, opened.check, aclose, opened.stores, opened.backends)

    shared = counted(settings_of(settings, ""))
    assert shared is not None
    sources = TenantSources(settings, shared, counted, most=2)
    async with sources.lent("held"):
        for tenant in ("a", "b", "c"):
            async with sources.lent(tenant):
                pass
        assert closed == ["a", "b"]
    await sources.aclose()
    assert sorted(closed) == ["", "a", "b", "c", "held"]


def test_a_tenants_name_may_be_a_part_of_what_its_server_is_told() -> None:
    assert settings_of(asked_as("org-{tenant}"), "shop").metrics.tenant == "org-shop"


def test_a_tenant_that_sent_nothing_here_is_unknown_unless_a_server_may_know_it(tmp_path: Path) -> None:
    kept = {"telemetry": {"embedded": tmp_path}}
    (tmp_path / "tenants" / "shop").mkdir(parents=True)
    alone = Settings.model_validate(kept)
    for known in ("", "shop"):
        assert settings_of_known(alone, known) == settings_of(alone, known)
    with pytest.raises(CallerError, match=r"^--tenant shpo: .* has no telemetry of that tenant$"):
        settings_of_known(alone, "shpo")
    assert settings_of_known(asked_as("{tenant}", **kept), "shpo").metrics.tenant == "shpo"
