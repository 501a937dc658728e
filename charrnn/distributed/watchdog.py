"""The watchdog: a thread on each rank that notices when another rank dies or hangs, and then ends the job.

A rank that waits in an exchange for one that is gone would wait for ever, and holds its cores meanwhile. So the leader
has a connection to each follower, apart from MPI. Over it both say every second that they are there. A process that
dies closes its connections; one that hangs, or whose host or network is gone, says nothing any more.
"""

import math
import secrets
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import psutil

from charrnn.distributed.ranks import ABORT_SECONDS, Ranks

BEAT = 1.0
"""The seconds between two signs of life."""
SILENCE = 30.0
"""The default seconds without a sign of life after which a rank is taken to hang."""
MIN_SILENCE, MAX_SILENCE = 3.0, 1e6
MAX_EXCHANGE = 900.0
"""The seconds after which a rank hangs that is alive, but has not come to an exchange in which the leader waits."""
CONNECT_SECONDS = 3.0
"""The seconds to wait for a connection to an address of the leader."""
JOIN_SECONDS = 20.0
"""The seconds in which the leader waits for the connections of all followers."""
STAGGER = 0.2
"""The seconds by which a rank waits longer than the one before it, to say what that one may have said."""
MESSAGE = struct.Struct("!cQ")
"""What is said: a letter of those below, and a number: of the exchanges that were begun, or of a signal."""
ALIVE, STOP, END = b"a", b"s", b"e"
"""That a rank is there; that a signal asks it to stop; that it ends, and has said what there is to say about that."""
HELLO = struct.Struct("!16sI")
"""The first words of a follower: the secret of the job, and its rank."""


class Watchdog:
    """Watches the other ranks, from its creation, in which all ranks take part, to `close`."""

    def __init__(self, ranks: Ranks, tell: Callable[[str], None], silence: float = SILENCE, advice: str = ""):
        """`tell` gets the line that says which rank has failed, and `advice`; it is called on one of the ranks."""
        self.ranks, self.tell, self.silence, self.advice = ranks, tell, silence, advice
        self.connections: dict[int, socket.socket] = {}
        """The connection to each rank that this one watches."""
        self.unwatched: list[int] = []
        """The ranks to which the leader has no connection."""
        self.signals: dict[int, float] = {}
        """The signals that asked other ranks to stop, with their times."""
        self.closing = threading.Event()
        self.woke = -math.inf
        """When this process was last found to have been stopped, by the clock of `Ranks.waiting_since`."""
        if ranks.size == 1:
            return
        self._connect()
        now = time.monotonic()
        self.heard = dict.fromkeys(self.connections, now)
        """When each rank gave the last sign of life."""
        self.exchanges = dict.fromkeys(self.connections, 0)
        """The exchanges that it had begun by then."""
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _connect(self) -> None:
        """Connects the leader with each follower."""
        ranks = self.ranks
        if ranks.is_leader:
            self._offer()
        elif (offer := ranks.share()) is not None:
            self._join(*offer)
        has_connection = ranks.collect(ranks.is_leader or bool(self.connections))
        self.unwatched = [rank for rank, has in enumerate(has_connection) if not has]
        for rank in self.unwatched:  # one that the follower has given up does not count as closed by its death
            if rank in self.connections:
                self.connections.pop(rank).close()
        for connection in self.connections.values():
            connection.settimeout(self.silence)

    def _offer(self) -> None:
        """Tells the followers where to connect to; nothing if the system does not let it find out."""
        secret = secrets.token_bytes(16)
        with ExitStack() as stack:
            try:
                server = stack.enter_context(socket.create_server(("", 0)))
                offer = _addresses(), server.getsockname()[1], secret
            except OSError:
                self.ranks.share(None)
                return
            self.ranks.share(offer)
            self._accept(server, secret)

    def _join(self, addresses: list[str], port: int, secret: bytes) -> None:
        """Connects a follower with the leader, at the first address at which it answers."""
        ranks = self.ranks
        same = ranks.hosts[0] == ranks.hosts[ranks.rank]
        for address in ("127.0.0.1", *addresses) if same else addresses:
            with suppress(OSError), ExitStack() as stack:
                connection = stack.enter_context(socket.create_connection((address, port), CONNECT_SECONDS))
                connection.sendall(HELLO.pack(secret, ranks.rank))
                if connection.recv(1) == ALIVE:
                    self.connections[0] = connection
                    stack.pop_all()  # it stays open
                    return

    def _accept(self, server: socket.socket, secret: bytes) -> None:
        """Accepts the connections of the followers."""
        end = time.monotonic() + JOIN_SECONDS
        while len(self.connections) < self.ranks.size - 1 and (left := end - time.monotonic()) > 0:
            server.settimeout(left)
            with suppress(OSError, struct.error), ExitStack() as stack:
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(CONNECT_SECONDS)
                found, rank = HELLO.unpack(_receive(connection, HELLO.size))
                if secrets.compare_digest(found, secret):
                    connection.sendall(ALIVE)
                    self.connections[rank] = connection
                    stack.pop_all()

    def say(self, letter: bytes, number: int = 0) -> None:
        """Says something to all ranks that this one watches."""
        for connection in self.connections.values():
            with suppress(OSError):
                connection.sendall(MESSAGE.pack(letter, number))

    def close(self) -> None:
        """Ends the watch: that the connections are closed means nothing any more."""
        if not self.closing.is_set():
            self.closing.set()
            self.say(END)

    def _watch(self) -> None:
        """Listens and looks at the clock until the watch ends."""
        with selectors.DefaultSelector() as selector:
            for rank, connection in self.connections.items():
                selector.register(connection, selectors.EVENT_READ, rank)
            said = looked = time.monotonic()
            while not self.closing.is_set() and selector.get_map():
                for key, _ in selector.select(BEAT / 2):
                    if not self._listen(key.data):
                        selector.unregister(key.fileobj)
                now = time.monotonic()
                self._compare(looked, now)
                looked = now
                if now - said >= BEAT:
                    self.say(ALIVE, self.ranks.n_exchanges)
                    said = now
                self._check({key.data for key in selector.get_map().values()}, now)

    def _compare(self, looked: float, now: float) -> None:
        """Notices that this process was stopped since it last looked at the clock: the time meanwhile means nothing.

        What the others have said lies there; and the whole job may have been stopped, with all that it waited for.
        """
        if now - looked > self.silence / 2:
            self.heard = dict.fromkeys(self.heard, now)
            self.woke = time.perf_counter()

    def _listen(self, rank: int) -> bool:
        """Hears what a rank says; False if it says nothing any more."""
        try:
            raw = _receive(self.connections[rank], MESSAGE.size)
        except OSError:
            raw = b""
        if self.closing.is_set():
            return False
        if len(raw) < MESSAGE.size:
            self._end(rank, "has died")
        letter, number = MESSAGE.unpack(raw)
        self.heard[rank] = time.monotonic()
        if letter == ALIVE:
            self.exchanges[rank] = number
        elif letter == STOP:
            self.signals.setdefault(number, time.monotonic())
        return bool(letter != END)

    def _check(self, watched: set[int], now: float) -> None:
        """Ends the job if one of these ranks hangs."""
        for rank in watched:
            if now - self.heard[rank] > self.silence:
                self._end(rank, f"has given no sign of life for {self.silence:.0f} s")
        since = self.ranks.waiting_since
        waits = since is not None and time.perf_counter() - max(since, self.woke) > MAX_EXCHANGE
        if self.ranks.is_leader and waits:
            late = [(self.exchanges[rank], rank) for rank in watched if self.exchanges[rank] < self.ranks.n_exchanges]
            if late:  # some may wait in an earlier exchange, in a ring that one rank holds up
                self._end(min(late)[1], f"has not come to an exchange for {MAX_EXCHANGE:.0f} s")

    def _end(self, rank: int, what: str) -> None:
        """Ends the job because of a rank: of several followers that miss the leader, the first one there says so."""
        self.closing.set()
        if (later := self.ranks.rank - 1) > 0:  # rank 1 ends this one meanwhile, unless it has failed too
            time.sleep(ABORT_SECONDS + STAGGER * later)
        self.say(END)
        self.tell(f"{self.ranks.name(rank)} {what}: the job ends{self.advice}")
        self.ranks.abort()


def _receive(connection: socket.socket, size: int) -> bytes:
    """The next bytes, however they arrive; fewer if the connection is closed before. Raises `OSError`."""
    found = b""
    while len(found) < size and (part := connection.recv(size - len(found))):
        found += part
    return found


def _addresses() -> list[str]:
    """The IPv4 addresses of this host that others may reach."""
    found = [a.address for each in psutil.net_if_addrs().values() for a in each if a.family == socket.AF_INET]
    return [address for address in found if not address.startswith("127.")]
