"""Who is told the answers, and keeps a log of them."""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Told:
    """Of each localization the different answers that were seen, each with the id under which it came."""

    url: str
    answers: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))


@contextmanager
def receiving() -> Generator[Told]:
    """Take webhooks on a free port of this machine."""
    told = Told("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = body["data"]["localization"]
            digest = hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()
            told.answers[answer["id"]].add((self.headers["webhook-id"], digest))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Threads(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # its sender was killed

    with Threads(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield told
        server.shutdown()
