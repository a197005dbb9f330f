"""Programs around the team: one that starts agents by messages, one that writes rows with plain SQL, and browsers."""

import contextlib
import http.client
import re
import shutil
import subprocess
import threading
import time

from helpers.page_server import PageClient
from helpers.postgres_server import find_binaries
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, StaleLease, StoreError
from teamsup.hub.engines.choice import find_address
from teamsup.workers.web.access.authenticator import owner_name
from teamsup.workers.web.access.sessions import create_link

from . import ledger
from .book import Book
from .rig import TeamRig

_RETRY_SECONDS = 1.0
_CONVERSATIONS = 5
_INSERT = (
    "INSERT INTO messages (message_id, sender, recipient, content, conversation_id)"
    " VALUES ('{nonce}', 'cron', '{recipient}', 'row {nonce}', '{stream}')"
)
_ANSWER = re.compile(r"done (run-\d+)\b")


class Clerk:
    """Starts the agent ``bee`` by messages, and reads its answers. The agent's program has an effect in a file."""

    def __init__(self, rig: TeamRig) -> None:
        self.book = Book("started agents")
        self._rig = rig
        self._hub = MessageHub(rig.team, agent="clerk", clock=rig.clock)
        self._hub.register()
        self._ending = threading.Event()
        self._lines = 0
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        for thread in self._threads:
            thread.start()

    def begin_run(self) -> None:
        """Send a cause. With the same id it may be sent again until it is stored."""
        nonce = f"run-{len(self.book.sent) + 1}"
        self.book.begin(nonce)
        while not self._ending.is_set():
            with contextlib.suppress(StoreError):
                self._hub.send("bee", f"pause 0.5\neffect {nonce}\npause 1\nanswer done {nonce}", message_id=nonce)
                self.book.confirm(nonce)
                return
            self._ending.wait(_RETRY_SECONDS)

    def _read(self) -> None:
        while not self._ending.is_set():
            try:
                self._hub.wait(1.0)
                for delivery in self._hub.claim(10):
                    if found := _ANSWER.search(delivery.message.content):
                        self.book.answer(found[1], delivery.message.message_id)
                    self._hub.acknowledge(delivery)
            except (StoreError, StaleLease):
                self._ending.wait(_RETRY_SECONDS)

    def look(self) -> None:
        """Read the effects: each line is one, so a second line of the same run is doubled. A run that was killed in the
        middle is unknown, and says so.
        """
        if self._rig.effects.exists():
            lines = self._rig.effects.read_text().splitlines()
            for number, line in enumerate(lines[self._lines :], self._lines):
                self.book.deliver(line.split()[0], f"line {number}")
            self._lines = len(lines)
        rows = run_foreign_sql(self._rig.team, "SELECT cause FROM runs WHERE state = 'unknown'")
        self.book.excused = {row[0] for row in rows}

    def close(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._hub.close()


class SqlWriter:
    """Writes rows with the shell of the database, and does not know teamsup."""

    def __init__(self, rig: TeamRig) -> None:
        self.book = Book("SQL rows")
        self._rig = rig
        self._address = find_address(rig.team)
        self._lines = 0
        self._ending = threading.Event()

    def write(self) -> None:
        """Insert one row. If it fails, insert the same again; if that one is there already, the first was stored."""
        number = len(self.book.sent) + 1
        nonce, stream = f"row-{number}", f"table-{number % _CONVERSATIONS}"
        self.book.begin(nonce, stream)
        while not self._ending.is_set():
            error = self._run(_INSERT.format(nonce=nonce, recipient=ledger.NAME, stream=stream))
            if not error or "unique" in error.lower():
                self.book.confirm(nonce)
                return
            self._ending.wait(_RETRY_SECONDS)

    def _run(self, sql: str) -> str:
        """Run the statement, and return what the shell complains about."""
        if self._address is None:
            shell = shutil.which("sqlite3")
            words = [shell or "sqlite3", "-cmd", ".timeout 20000", str(self._rig.team.database), sql]
        else:
            words = [str(find_binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", self._address, "-c", sql]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired:
            return "no answer"
        return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""

    def look(self) -> None:
        """Read the ledger's book. The acknowledgement of a message that is there twice is doubled."""
        if self._rig.book.exists():
            lines = self._rig.book.read_text().splitlines()
            for number, line in enumerate(lines[self._lines :], self._lines):
                what, nonce = line.split()
                if what == "claimed":
                    self.book.deliver(nonce, nonce)
                else:
                    self.book.answer(nonce, f"line {number}")
            self._lines = len(lines)

    def look_for_unwritten(self) -> None:
        """Note what the ledger has acknowledged without writing it down, because it was killed in between."""
        done = "SELECT m.message_id FROM messages AS m JOIN deliveries AS d ON d.message = m.id"
        rows = run_foreign_sql(self._rig.team, f"{done} WHERE m.sender = 'cron' AND d.state = 'done'")
        self.book.settled = {row[0] for row in rows}

    def close(self) -> None:
        self._ending.set()


class Browser:
    """A page that stays open: it reads events, and connects again when the stream ends."""

    def __init__(self, rig: TeamRig) -> None:
        self.events = 0
        self.connections = 0
        self.last_event = 0.0
        self._rig = rig
        self._ending = threading.Event()
        self._client = PageClient(rig.web_port)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ending.is_set():
            try:
                if not self._client.cookies:
                    self._sign_in()
                with self._client.stream("/?stream=1") as events:
                    self.connections += 1
                    while not self._ending.is_set() and events.next() is not None:
                        self.events += 1
                        self.last_event = time.monotonic()
            except AssertionError:
                self._client.cookies.clear()  # the page wants a new sign-in
            except (OSError, http.client.HTTPException, StoreError, ValueError):
                pass  # the worker or the store is away
            self._ending.wait(_RETRY_SECONDS)

    def _sign_in(self) -> None:
        with MessageHub(self._rig.team, agent="clerk", clock=self._rig.clock) as hub:
            self._client.sign_in(create_link(hub, owner_name(), self._rig.clock()))

    def close(self) -> None:
        self._ending.set()
