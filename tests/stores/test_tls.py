"""Own authorities and client certificates, over a real handshake."""

import asyncio
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from service.errors import BackendError
from service.stores.backend import Access, Backend
from tests.certificates import Authority
from tests.contracts.faulty import faulty, says
from tests.patience import patient

ACCESS = patient()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours").found()


@pytest.fixture(scope="module")
def theirs(ours: Authority) -> Authority:
    """An authority that nobody trusts."""
    return Authority(ours.directory.with_name("theirs")).found()


@pytest.fixture(scope="module")
def server(ours: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    return context


@pytest.fixture(scope="module")
def careful_server(ours: Authority) -> ssl.SSLContext:
    """One that wants to see a certificate of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("careful"))
    context.load_verify_locations(ours.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def ask(backend: Backend) -> str:
    try:
        return (await backend.ask("GET", "/") or b"").decode()
    except BackendError as error:
        return str(error)


def asked(context: ssl.SSLContext, access: Access) -> str:
    async def once() -> str:
        async with faulty(says(200, b"well"), context) as listening:
            backend = Backend("Loki", replace(access, url=listening.url))
            try:
                return await ask(backend)
            finally:
                await backend.aclose()

    return asyncio.run(once())


def test_an_own_authority_is_trusted(server: ssl.SSLContext, ours: Authority) -> None:
    assert asked(server, replace(ACCESS, ca_file=ours.certificate)) == "well"


def test_another_is_not(server: ssl.SSLContext, theirs: Authority) -> None:
    for access in (ACCESS, replace(ACCESS, ca_file=theirs.certificate)):
        told = asked(server, access)
        assert "cannot be reached" in told
        assert "certificate verify failed" in told


def test_who_asks_for_our_certificate_sees_it(careful_server: ssl.SSLContext, ours: Authority) -> None:
    certificate, key = ours.issue("client")
    access = replace(ACCESS, ca_file=ours.certificate)
    assert asked(careful_server, replace(access, certificate_file=certificate, key_file=key)) == "well"
    assert asked(careful_server, access).startswith("Loki ")


def test_an_authority_that_was_renewed_is_taken_up(
    server: ssl.SSLContext, ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"

    async def renewed() -> list[str]:
        async with faulty(says(200, b"well"), server) as listening:
            backend = Backend("Loki", replace(ACCESS, url=listening.url, ca_file=file))
            told: list[str] = []
            for authority in (theirs, ours):
                await asyncio.to_thread(shutil.copyfile, authority.certificate, file)
                told.append(await ask(backend))
            await backend.aclose()
            return told

    before, after = asyncio.run(renewed())
    assert "certificate verify failed" in before
    assert after == "well"


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_that_is_none_is_one_line(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    told = asyncio.run(ask(Backend("Loki", Access("https://127.0.0.1:1", ca_file=file))))
    assert told.startswith("Loki cannot be asked: certificates cannot be used (")
    assert str(file)[:40] in told
    assert told.isprintable()
