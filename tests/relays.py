"""A way to a server that can be slow or cut."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread


@contextmanager
def relay(port: int, latency: float = 0) -> Iterator[tuple[int, Event]]:
    """A port behind which a server is until the event: from then on nothing comes through any more.

    What the server says first on each connection comes so many seconds late.
    """
    hang, ends = Event(), list[socket.socket]()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        relaying = Thread(target=_relay_all, args=(listening, port, latency, hang, ends))
        relaying.start()
        try:
            yield listening.getsockname()[1], hang
        finally:
            hang.set()
            for end in (listening, *ends):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            relaying.join()
    for end in ends:
        end.close()


def _relay_all(listening: socket.socket, port: int, latency: float, hang: Event, ends: list[socket.socket]) -> None:
    with suppress(OSError), ThreadPoolExecutor(100) as pool:
        while not hang.is_set():
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", port))
            ends += near, far
            pool.submit(_relay, near, far, 0, hang)
            pool.submit(_relay, far, near, latency, hang)


def _relay(one: socket.socket, other: socket.socket, latency: float, hang: Event) -> None:
    with suppress(OSError):
        while (data := one.recv(2**16)) and not hang.is_set():
            time.sleep(latency)
            latency = 0
            other.sendall(data)
        if not hang.is_set():
            other.shutdown(socket.SHUT_WR)
