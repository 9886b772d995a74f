"""--watch on a terminal: a screen of its own that is left behind as it was, drawn anew when the size changes, ended by Ctrl-C."""

import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
import yaml

WATCHING = """
import signal
import sys
from isthmus.cli import scope
from isthmus.cli.viz import flags, show, table
from isthmus.errors import IsthmusError
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts in the background deaf to it
looks = 0
async def work(cluster):
    global looks
    looks += 1
    if sys.argv[2] == "away":
        raise IsthmusError("the cluster is away")
    return show.Found([{"name": "x" * 60}])
layout = lambda rows: [table.Table((table.text("NAME", "name"),), rows)]
sys.exit(show.run(flags.View(scope=scope.Scope(kubeconfig=sys.argv[1]), watch=True), work, layout))
"""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.end, other = pty.openpty()
        self.size(50)
        env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        self.run = subprocess.Popen(words, stdin=other, stdout=other, stderr=other, env=env | {"TERM": "xterm"})
        os.close(other)
        self.seen = ""

    def size(self, columns: int) -> None:
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))

    def until(self, text: str, times: int = 1) -> None:
        limit = time.monotonic() + 8
        while self.seen.count(text) < times and time.monotonic() < limit:
            if select.select([self.end], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.end, 65536).decode()
                except OSError:
                    break
        assert self.seen.count(text) >= times, self.seen

    def ended(self) -> int:
        self.run.send_signal(signal.SIGINT)
        self.until("\x1b[?1049l")
        code = self.run.wait(8)
        os.close(self.end)
        return code


@pytest.fixture
def kubeconfig(tmp_path: pathlib.Path) -> str:
    doc = {
        "current-context": "east",
        "contexts": [{"name": "east", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(doc))
    return str(path)


@pytest.mark.parametrize(("state", "shown"), [("well", "NAME"), ("away", "the cluster is away")])
def test_a_screen_of_its_own_until_interrupted(kubeconfig, state, shown):
    terminal = Terminal(sys.executable, "-c", WATCHING, kubeconfig, state)
    terminal.until(shown)
    assert terminal.seen.index("\x1b[?1049h") < terminal.seen.index(shown)
    assert terminal.ended() == 0


def test_another_size_is_another_picture(kubeconfig):
    terminal = Terminal(sys.executable, "-c", WATCHING, kubeconfig, "well")
    terminal.until("x" * 50)
    assert "x" * 51 not in terminal.seen
    terminal.size(30)
    terminal.run.send_signal(signal.SIGWINCH)
    terminal.until("NAME", 2)
    terminal.until(f"\n{'x' * 30}\x1b")
    assert terminal.ended() == 0
