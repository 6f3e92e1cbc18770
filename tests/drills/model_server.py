"""The fake model server as a process of its own: ``python -m tests.drills.model_server PORT COMPONENT``. It blames the
component, whatever it is asked.
"""

import json
import sys

import uvicorn

from service.llm.fake_server import FakeServer
from service.ports import ChatReply


def main(port: int, component: str) -> None:
    """Serve until killed."""
    cause = {"component": component, "fault": "cpu", "rows": ["e0"]}
    blames = ChatReply(call_name="print_results", call_arguments=json.dumps({"causes": [cause]}))
    uvicorn.run(FakeServer(replies=[blames]).app(), port=port, log_level="critical", lifespan="off")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
