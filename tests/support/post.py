"""A mail server and a web page of this machine that keep what they are sent, for tests."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any


@dataclass(frozen=True)
class Mail:
    """A message as its reader sees it, and all that came with it."""

    title: str
    text: str
    whole: str


@dataclass
class Mailbox:
    """What came: mails, posts to the page, and calls of it. A page that is `ill` answers 500."""

    smtp: int
    http: int
    mails: list[Mail] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ill: bool = False

    @property
    def mail_address(self) -> str:
        """The mail server's, as Apprise wants it."""
        return f"mailto://127.0.0.1:{self.smtp}?from=elt@clinic.example&to=it@clinic.example"

    @property
    def hook_address(self) -> str:
        """The page's, as Apprise wants it."""
        return f"json://127.0.0.1:{self.http}/hook"

    @property
    def addresses(self) -> str:
        """Both of them."""
        return f"{self.mail_address}, {self.hook_address}"

    @property
    def page(self) -> str:
        """The page's as a dead man's switch."""
        return f"http://127.0.0.1:{self.http}/ping/secret-check"

    def one(self) -> Mail:
        """Return the one message that came, by mail and to the page, and forget it."""
        (mail,), (post,) = self.mails, self.posts
        assert post["title"] == mail.title
        assert post["message"].split() == mail.text.split()
        self.forget()
        return mail

    def forget(self) -> None:
        """Forget what came."""
        self.mails.clear()
        self.posts.clear()
        self.calls.clear()


class _Smtp(StreamRequestHandler):
    box: Mailbox

    def handle(self) -> None:
        """Speak as much of SMTP as takes a message."""
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self._take()
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
            if word == b"QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        whole = b"".join(lines)
        message = email.message_from_bytes(whole, policy=policy.default)
        part = message.get_body(("plain",))
        assert part is not None
        text = part.get_content().replace("\r\n", "\n")
        self.box.mails.append(Mail(str(message["Subject"]), text, whole.decode()))


class _Page(BaseHTTPRequestHandler):
    box: Mailbox

    def do_GET(self) -> None:
        """Note the call."""
        self.box.calls.append(self.path)
        self._answer()

    def do_POST(self) -> None:
        """Keep what was posted."""
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self.box.posts.append(json.loads(said))
        self._answer()

    def _answer(self) -> None:
        self.send_response(500 if self.box.ill else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """Open a mail server and a page."""
    smtp: TCPServer = ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    box = Mailbox(smtp.server_address[1], http.server_address[1])
    smtp.RequestHandlerClass = type("_", (_Smtp,), {"box": box})
    http.RequestHandlerClass = type("_", (_Page,), {"box": box})
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.02,)) for server in (smtp, http)
    ]
    for thread in threads:
        thread.start()
    try:
        yield box
    finally:
        for server, thread in zip((smtp, http), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
