import shutil
from pathlib import Path

import httpx
import pytest

from tests.drills.client import Log, Senders
from tests.drills.findings import findings
from tests.drills.receiver import receiving
from tests.drills.site import Site
from tests.drills.storm import Webhook, storm
from tests.redis_servers import RealServer
from tests.waiting import LIMIT_S


def losses(url: str) -> list[str]:
    """What a gateway counts and says of it, once it has spoken with the store."""
    said = httpx.get(f"{url}/readyz", timeout=LIMIT_S).json()["checks"]["store"]["found"]
    lines = httpx.get(f"{url}/metrics", timeout=LIMIT_S).text.splitlines()
    return [said.partition("; ")[2], *(line for line in lines if line.startswith("hypocenter_store_losses_total"))]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_store_that_comes_back_empty_is_told_of_and_what_still_fires_comes_back(tmp_path: Path) -> None:
    webhooks = list(storm(11, count=80, groups=12))
    last: dict[int, Webhook] = {webhook.group: webhook for webhook in webhooks}
    redis = RealServer("redis", tmp_path)
    with receiving() as told:
        site = Site(tmp_path, told.url, gateways=2, workers=2, redis=redis)
        try:
            site.start()
            Senders(webhooks, site.urls, Log()).hurry()
            redis.kill()
            shutil.rmtree(tmp_path / "appendonlydir")
            redis.start()
            again = Log()
            Senders(list(last.values()), site.urls, again).hurry()
            found = findings(site.urls[0], again, told)
            assert (found.lost, found.doubled) == ((), ())
            for url in site.urls:
                said, counted = losses(url)
                assert said.startswith("LOST")
                assert float(counted.split()[1]) >= 1
        finally:
            site.clear_away()
            redis.kill()
