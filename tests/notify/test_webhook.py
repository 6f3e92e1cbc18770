import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from service.errors import BackendError
from service.gateway.documents import incident_document
from service.notify.hook import Hook, split_address
from service.notify.webhook import Webhook
from tests.contracts.faulty import Asked, faulty, says
from tests.notify.telling import LINK, OTHER_SECRET, SECRET, backend, news, secret_file


def sent(*files: Path, path: str = "/hook", url_file: Path | None = None) -> Asked:
    """One webhook of now, as a real server of HTTP takes it: a verifier believes no old timestamps."""

    async def send() -> Asked:
        async with faulty(says(204)) as server:
            to = backend(server.url + ("" if url_file else path))
            if url_file is not None:
                await asyncio.to_thread(url_file.write_text, server.url + path)
            try:
                await Webhook(Hook(to, url_file), files, incident_document).send(news(now=datetime.now(UTC)))
            finally:
                await to.aclose()
            return server.asked[0]

    return asyncio.run(send())


def verified(taken: Asked, secret: str = SECRET) -> Any:
    """What an implementation that is not ours believes."""
    headers: Mapping[str, str] = taken.headers
    return Verifier(secret).verify(taken.body, dict(headers))


def test_a_webhook_is_believed_by_who_has_the_secret_and_by_nobody_else(tmp_path: Path) -> None:
    taken = sent(secret_file(tmp_path))
    body = verified(taken)
    assert (body["schema_version"], body["type"]) == ("1", "localization.done")
    assert taken.headers["webhook-id"] == "del-1"
    with pytest.raises(WebhookVerificationError):
        verified(taken, OTHER_SECRET)
    with pytest.raises(WebhookVerificationError):
        verified(replace(taken, body=taken.body.replace(b"cart", b"cark")))


def test_while_one_secret_replaces_the_other_both_are_believed(tmp_path: Path) -> None:
    taken = sent(secret_file(tmp_path, "new", OTHER_SECRET), secret_file(tmp_path, "old"))
    assert verified(taken) == verified(taken, OTHER_SECRET)


def test_a_webhook_holds_the_documents_that_are_read_from_us(tmp_path: Path) -> None:
    data = verified(sent(secret_file(tmp_path)))["data"]
    assert data["localization"] == json.loads(news().localization.result)
    assert data["incident"] == json.loads(json.dumps(incident_document(news().incident)))
    assert data["link"] == LINK


@pytest.mark.parametrize("secret", ["not base64!", "c2hvcnQ=", "whsec_", "a\nb"])
def test_a_secret_that_is_none_is_told_without_telling_it(tmp_path: Path, secret: str) -> None:
    file = secret_file(tmp_path, secret=secret)
    with pytest.raises(BackendError) as caught:
        sent(file)
    assert str(file) in str(caught.value)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("path", ["/hook/", "/services/T0/B0/hidden", "/hook?token=hidden&x=%20"])
def test_an_address_that_is_a_secret_is_posted_to_as_it_is(tmp_path: Path, path: str) -> None:
    assert sent(secret_file(tmp_path), path=path, url_file=tmp_path / "url").target == path


def test_an_address_that_is_a_secret_stands_in_no_error(tmp_path: Path) -> None:
    async def refused() -> str:
        async with faulty(says(404, b'{"error": "no /services/T0/B0/hidden"}')) as server:
            secret_file(tmp_path, "url", f"{server.url}/services/T0/B0/hidden")
            to = backend(server.url)
            with pytest.raises(BackendError) as caught:
                await Hook(to, tmp_path / "url").post(b"{}")
            await to.aclose()
            return str(caught.value)

    told = asyncio.run(refused())
    assert "404" in told
    assert "hidden" not in told


@pytest.mark.parametrize("address", ["hooks.example.org/x", "ftp://x/y", "https://me:hidden@x/y", "https://x:port/y"])
def test_an_address_that_is_none_is_told_by_its_file(tmp_path: Path, address: str) -> None:
    with pytest.raises(BackendError) as caught:
        split_address(secret_file(tmp_path, "url", address))
    assert str(caught.value).startswith(f"{tmp_path / 'url'} holds no address")


@pytest.mark.parametrize("longer", [0, 400])
def test_a_secret_stands_in_no_error_even_if_that_is_cut_off(tmp_path: Path, longer: int) -> None:
    async def refused() -> str:
        async with faulty(says(500)) as server:
            to = backend(server.url)
            secret_file(tmp_path, "url", f"{server.url}/planted{'x' * longer}")
            with pytest.raises(BackendError) as caught:
                await Hook(to, tmp_path / "url").post(b"{}")
            await to.aclose()
            return str(caught.value)

    assert "planted" not in asyncio.run(refused())


def test_an_address_that_moves_to_another_server_needs_a_start_anew(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("http://127.0.0.1:9/services/hidden")
    with pytest.raises(BackendError, match="names another server since the start"):
        asyncio.run(Hook(backend("http://127.0.0.1:10"), tmp_path / "url").post(b"{}"))


def test_whether_connections_are_taken_is_found_out_without_sending_anything() -> None:
    async def looked_at() -> tuple[str, int]:
        async with faulty(says(500)) as server:
            return await Hook(backend(server.url)).found(), len(server.asked)

    told, asked = asyncio.run(looked_at())
    assert "takes connections" in told
    assert asked == 0
    with pytest.raises(BackendError, match="cannot be reached"):
        asyncio.run(Hook(backend("http://127.0.0.1:9")).found())
