"""A real browser without a window, driven by Chrome's own protocol."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from deployments.packages import Program

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
SECONDS = 90


@dataclass
class Page:
    """The browser's one page, with its console errors and requests."""

    socket: ClientConnection
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _number: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv(timeout=SECONDS))).get("id") != self._number:
            self._hear(message)
        assert "error" not in message, message
        return dict(message["result"])

    def _hear(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        match message["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.errors.append(str(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.errors.append(str(parameters["entry"]))

    def open(self, file: Path, width: int, *, height: int = 900, dark: bool = False) -> None:
        """Shows a file in a window of that width, until all of its figures are drawn."""
        self.errors.clear()
        self.requests.clear()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.as_uri())
        until = time.monotonic() + SECONDS
        while self.run("document.documentElement?.dataset.drawn") != "yes":
            assert time.monotonic() < until, self.errors
            time.sleep(0.1)

    def run(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def picture(self, file: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **self._area(whole))
        file.write_bytes(base64.b64decode(shot["data"]))

    def _area(self, whole: bool) -> dict[str, Any]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return (
            {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
            if whole
            else {}
        )


@contextmanager
def browsing(program: Program, variables: dict[str, str], folder: Path) -> Iterator[Page]:
    """Start the browser with a profile of its own in the folder, and end it."""
    command = [*program.command(), *ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        try:
            with connect(_address(folder, process), max_size=None, compression=None) as socket:
                yield Page(socket)
        finally:
            process.kill()
            process.wait()


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the socket of the one page, found by the port that the browser chose."""
    file = folder / "DevToolsActivePort"
    until = time.monotonic() + SECONDS
    while not file.exists() or file.read_text().count("\n") < 1:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.02)
    port, browser = file.read_text().split("\n")[:2]
    with connect(f"ws://127.0.0.1:{port}{browser}", max_size=None, compression=None) as socket:
        socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        while (message := json.loads(socket.recv(timeout=SECONDS))).get("id") != 1:
            pass
    pages = [
        target["targetId"]
        for target in message["result"]["targetInfos"]
        if target["type"] == "page"
    ]
    return f"ws://127.0.0.1:{port}/devtools/page/{pages[0]}"
