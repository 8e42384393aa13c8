"""How many events a second reach webhook receivers, all signed, in order per model.

    python benchmarks/webhooks.py [--events 3000] [--models 20]

Receivers, registry and runner share this machine; the budget is 500 events a second on two cores.
"""

from __future__ import annotations

import argparse
import socketserver
import tempfile
import threading
import time
from pathlib import Path

from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.db.transaction import Transaction
from modelyard.domain.events import NamespaceEdited
from modelyard.registry.access import usecases as access
from modelyard.registry.keyring import Keyring
from modelyard.registry.outbox import delivery
from modelyard.registry.outbox import usecases as outbox
from modelyard.registry.outbox.senders import MailSettings, Sender
from modelyard.registry.outgoing import Allowed, Outgoing
from modelyard.worker.runner import Runner
from modelyard.worker.works import delivery_works


class Receiver(socketserver.StreamRequestHandler):
    """As little of HTTP as a receiver needs, so that the sending side is what is measured."""

    count = 0
    lock = threading.Lock()

    def handle(self) -> None:
        while True:
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if line == b"":
                return
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            with Receiver.lock:
                Receiver.count += 1


def derive(db: Database, over: threading.Event) -> None:
    """As the chore of a server does."""
    while not over.wait(0.5):
        while delivery.derive_deliveries(db):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--models", type=int, default=20)
    options = parser.parse_args()
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        db = Database(f"sqlite:///{Path(folder) / 'modelyard.db'}")
        ensure_schema(db)
        keyring = Keyring(b"k" * 32, "bench/log")
        db.write(lambda tx: access.create_first_owner(tx, "root", "bench"))
        found = db.read(lambda tx: access.account_queries.find_actor(tx, "root"))
        assert found is not None
        root = found.to_actor()
        target = f"http://127.0.0.1:{server.server_address[1]}/hook"
        db.write(lambda tx: outbox.subscribe(tx, root, keyring, kind="webhook", target=target))

        def fill(tx: Transaction) -> None:
            for n in range(options.events):
                event = NamespaceEdited(namespace="fraud", changes={"description": "x" * 100})
                tx.append(event, root, 1 + n % options.models)

        db.write(fill)
        wanted = options.events + 1
        sender = Sender(db, keyring, Outgoing(Allowed("127.0.0.1")), MailSettings(), "http://bench")
        runner, over = Runner(db, delivery_works(sender)), threading.Event()
        deriving = threading.Thread(target=derive, args=(db, over))
        started, cpu = time.perf_counter(), time.process_time()
        runner.start()
        deriving.start()
        while Receiver.count < wanted:
            time.sleep(0.005)
        elapsed = time.perf_counter() - started
        print(
            f"{wanted} events of {options.models} models: {wanted / elapsed:.0f} events/s "
            f"({elapsed:.2f} s, {time.process_time() - cpu:.2f} s of processor time)"
        )
        runner.stop()
        over.set()
        deriving.join()
        db.close()
    server.shutdown()


if __name__ == "__main__":
    main()
