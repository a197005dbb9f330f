"""A worker of one's own, which reads the rows that foreign SQL has written, and keeps a book of them."""

import os
from contextlib import suppress

from teamsup.hub import MessageHub, StaleLease, StoreError

NAME, BOOK = "ledger", "SOAK_BOOK"


def main() -> None:
    book = os.open(os.environ[BOOK], os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(what: str, message_id: str) -> None:
        # One write of one line: whole or not at all, and not lost with the process.
        os.write(book, f"{what} {message_id}\n".encode())

    with MessageHub(agent=NAME) as hub:
        # This process is the only reader of its mailbox, so the leases there are its predecessor's.
        hub.maintenance.release_abandoned()
        while True:
            with suppress(StoreError, StaleLease):
                hub.heartbeat(pid=os.getpid())
                for delivery in hub.listen(1.0):
                    note("claimed", delivery.message.message_id)
                    hub.acknowledge(delivery)
                    note("acknowledged", delivery.message.message_id)
                    hub.heartbeat(pid=os.getpid())


if __name__ == "__main__":
    main()
