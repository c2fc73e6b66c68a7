"""A headless Chromium, asked over a pipe: no package, no driver, no network needed."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The browser reads what it is asked from 3 and answers at 4.
WIRED = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(n), fcntl.F_DUPFD_CLOEXEC, 10) for n in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser():
    """Path of Chromium or Chrome: SKKNN_BROWSER, or what is on PATH; or None."""
    given = os.environ.get("SKKNN_BROWSER")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a browser of its own."""

    def __init__(self):
        self._profile = tempfile.mkdtemp(prefix="skknn-browser-")
        theirs_in, to_browser = os.pipe()
        from_browser, theirs_out = os.pipe()
        command = [
            find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
            "--remote-debugging-pipe", f"--user-data-dir={self._profile}",
            "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", WIRED, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._to, self._from = to_browser, os.fdopen(from_browser, "rb")
        self._asked, self._session, self.complaints = 0, None, []
        self._events = []
        pages = self.ask("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self):
        os.close(self._to)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(self, method, **params):
        """Send a command of the DevTools protocol and return its result."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        """The next message; what the page complains about is kept."""
        read = bytearray()
        while not read.endswith(b"\0"):
            byte = self._from.read(1)
            assert byte, "the browser has gone"
            read += byte
        message = json.loads(read[:-1])
        kind, said = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(said["exceptionDetails"]["text"])
        elif kind == "Runtime.consoleAPICalled":
            self.complaints.append(str(said["args"]))
        elif kind == "Log.entryAdded":
            self.complaints.append(said["entry"]["text"])
        elif kind == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if not url.startswith(("data:", "file:")):
                self.complaints.append(f"asks the network for {url}")
        elif kind:
            self._events.append(kind)
        return message

    def show(self, file, *, width, height=900, dark=False, printed=False):
        """Load a file in a window of some width, and wait until all is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask(
            "Emulation.setEmulatedMedia",
            media="print" if printed else "screen",
            features=[scheme],
        )
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        self.complaints.clear()
        self._events.clear()
        self.ask("Page.navigate", url=Path(file).resolve().as_uri())
        while "Page.loadEventFired" not in self._events:
            self._next()

    def value(self, expression):
        """What an expression of JavaScript gives within the page."""
        found = self.ask(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def save_picture(self, file, top=0, height=None):
        """Write what is shown from some height on as PNG."""
        clip = {}
        if height:
            width = self.value("innerWidth")
            clip = {"clip": dict(x=0, y=top, width=width, height=height, scale=1)}
        found = self.ask(
            "Page.captureScreenshot", captureBeyondViewport=True, format="png", **clip
        )
        Path(file).write_bytes(base64.b64decode(found["data"]))

    def save_pdf(self, file):
        """Print the page."""
        found = self.ask("Page.printToPDF", printBackground=False)
        Path(file).write_bytes(base64.b64decode(found["data"]))
