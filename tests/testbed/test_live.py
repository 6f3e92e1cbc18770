"""The whole way, live: needs the Debian packages that the testbed stands on."""

import pytest

from deploy.testbed.__main__ import OURS, WARM_UP_S
from deploy.testbed.live import HEALTHY_S, live_shop, play
from deploy.testbed.plan import read_plan


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("packages")
def test_a_live_shop_breaks_and_the_broken_service_is_named() -> None:
    planned = next(planned for planned in read_plan(OURS).incidents if planned.id == "bookshop-02")
    with live_shop(planned.shop, "rules", print) as (conductor, shipper):
        directory = conductor.directory
        conductor.run(WARM_UP_S + HEALTHY_S, each=shipper.ship)
        told = play(conductor, shipper, planned, print)
    assert told.rank is not None
    assert told.rank <= 3
    assert not directory.exists()
