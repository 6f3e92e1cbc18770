import time

from service.gateway.context import Gateway
from service.jobs.records import LocalizationRecord


async def until_ended(parts: Gateway, tenant: str, localization_id: str, wait_s: float) -> LocalizationRecord | None:
    """The localization once it ended, or as it is after ``wait_s`` (the gateway's own limit bounds it)."""
    until = time.monotonic() + min(wait_s, parts.longest_wait_s)
    with parts.store.watch(localization_id) as watch:
        while True:
            record = await parts.store.localization(tenant, localization_id)
            left_s = until - time.monotonic()
            if record is None or record.status.ended or left_s <= 0 or parts.stopping.is_set():
                return record
            await watch.next(left_s)
