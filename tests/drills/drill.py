"""A storm during which everybody is killed once or more, at points that a seed chooses."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.drills.client import Log, Senders
from tests.drills.findings import Findings, findings
from tests.drills.receiver import receiving
from tests.drills.site import Site
from tests.drills.storm import storm
from tests.redis_servers import RealServer
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Blow:
    """Who is killed: after so many webhooks were acknowledged and ``delay_s`` more; it lies dead for ``dead_s``."""

    victim: str
    after: int
    delay_s: float
    dead_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A drill, which its seed determines."""

    seed: int
    webhooks: int = 300
    groups: int = 8
    kills: int = 1
    on_redis: bool = False

    def blows(self, victims: Sequence[str]) -> list[Blow]:
        """Each victim's deaths, in order."""
        chance = random.Random(self.seed)
        blows = [
            Blow(
                victim,
                chance.randrange(self.webhooks // 20, self.webhooks * 19 // 20),
                chance.uniform(0, 0.1),
                chance.uniform(0, 1),
            )
            for victim in victims
            for _ in range(self.kills)
        ]
        return sorted(blows, key=lambda blow: blow.after)


def run(plan: Plan, directory: Path, say: Callable[[str], None]) -> tuple[Log, Findings]:
    """Hold the drill in a directory of its own and say what is done to whom, when."""
    redis = RealServer("redis", directory) if plan.on_redis else None
    with receiving() as told:
        several = 2 if plan.on_redis else 1
        site = Site(directory, told.url, several, several, redis)
        try:
            site.start()
            log = Log()
            say(f"seed {plan.seed}, {plan.webhooks} webhooks, {'Redis' if redis else 'SQLite'}")
            _strike(plan, site, log, say)
            return log, findings(site.urls[0], log, told)
        finally:
            site.clear_away()
            if redis is not None:
                redis.kill()


def _strike(plan: Plan, site: Site, log: Log, say: Callable[[str], None]) -> None:
    senders, began = Senders(list(storm(plan.seed, plan.webhooks, plan.groups)), site.urls, log), time.monotonic()
    senders.start()
    for blow in plan.blows(list(site.victims)):
        wait_until(lambda blow=blow: log.webhooks >= blow.after or not senders.sending, site.logs)
        time.sleep(blow.delay_s)
        site.victims[blow.victim].kill()
        say(f"  {time.monotonic() - began:6.2f} s: {blow.victim} killed after {log.webhooks}, for {blow.dead_s:.2f} s")
        time.sleep(blow.dead_s)
        site.victims[blow.victim].start()
    senders.finish()
    site.wait_until_ready()
