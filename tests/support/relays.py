"""Ways to a server that can be slow or cut."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event, Thread


class Way:
    """A port behind which a server is.

    Once `hanging`, nothing comes through, although new connections are made. Once `lost`, nothing
    comes through on the connections that there are. Once `trickling`, a byte a second does. What the
    server says first on each connection comes `latency` seconds late; what either side says later
    comes `delay` seconds late.
    """

    def __init__(self, port: int, latency: float = 0, delay: float = 0) -> None:
        self.to, self.latency, self.delay = port, latency, delay
        self.hanging, self.trickling, self.lost, self._over = Event(), Event(), Event(), Event()
        self._ends = list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self._listening.getsockname()[1]

    def relay(self) -> None:
        with suppress(OSError), ThreadPoolExecutor(200) as pool:
            while not self._over.is_set():
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self._ends += near, far
                late = self.lost.is_set()
                pool.submit(self._relay, near, far, self.delay, late)
                pool.submit(self._relay, far, near, self.latency or self.delay, late)

    def _relay(self, one: socket.socket, other: socket.socket, pause: float, late: bool) -> None:
        with suppress(OSError):
            while data := one.recv(2**16):
                time.sleep(pause)
                pause = self.delay
                while self.trickling.is_set() and len(data) > 1:
                    other.sendall(data[:1])
                    data = data[1:]
                    self._over.wait(1)
                if self._holds(late):
                    self._over.wait()
                    return
                other.sendall(data)
            if not self._holds(late):
                other.shutdown(socket.SHUT_WR)

    def _holds(self, late: bool) -> bool:
        return self.hanging.is_set() or (self.lost.is_set() and not late)

    def close(self) -> None:
        self._over.set()
        for end in (self._listening, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        for end in (self._listening, *self._ends):
            end.close()


@contextmanager
def way(port: int, latency: float = 0, delay: float = 0) -> Iterator[Way]:
    """Open a way to a server for the time of the block."""
    made = Way(port, latency, delay)
    relaying = Thread(target=made.relay)
    relaying.start()
    try:
        yield made
    finally:
        made.close()
        relaying.join()
        made.forget()


@contextmanager
def relay(port: int, latency: float = 0) -> Iterator[tuple[int, Event]]:
    """Open a port that leads to a server until the event, and then hangs."""
    with way(port, latency) as made:
        yield made.port, made.hanging
