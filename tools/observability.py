"""Put into docs/observability.md what its commands really print. In: the page, a lab that runs the demonstration. Out: the page anew.

A block that begins with `$ isthmus ...` is run and what stands under that line is replaced; prose stays as it is. `--to FILE` writes
elsewhere. Colours are off and the terminal is WIDTH wide. A command that is misused, does not answer or breaks ends the run; so does one
that takes LIMIT seconds. AT_ONCE run beside each other. `$ timeout N isthmus ...` is ended after N seconds, for those that do not end by
themselves.
Never here: prose, bringing a lab up.
"""

import argparse
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import NamedTuple

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "observability.md"
WIDTH = 160
LIMIT = 120.0
AT_ONCE = 3
FINE = (0,)
_BLOCK = re.compile(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADER = re.compile(r"^[A-Z0-9_/]+(?: +[A-Z0-9_/]+)*$")


class Shown(NamedTuple):
    """One command of the page, and what stands under it."""

    line: str
    output: str

    @property
    def words(self) -> list[str]:
        """The words after `isthmus`."""
        words = shlex.split(self.line)
        return words[words.index("isthmus") + 1 :]

    @property
    def headers(self) -> list[str]:
        """The columns of the first table, none where there is no table."""
        first = next((line for line in self.output.splitlines() if _HEADER.match(line)), "")
        return first.split()


def shown(text: str) -> list[Shown]:
    """The commands of a page, in order."""
    return [Shown(*found.groups()) for found in _BLOCK.finditer(text)]


def prose(text: str) -> str:
    """The page without what its commands print."""
    return _BLOCK.sub(lambda found: found[1], text)


def anew(text: str, run: Callable[[Shown], str]) -> str:
    """The page with what `run` says of each command."""
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(run, shown(text)))
    outputs = iter(said)
    return _BLOCK.sub(lambda found: f"```console\n$ {found[1]}\n{next(outputs).rstrip()}\n```", text)


def run(one: Shown) -> str:
    """What a command prints, on both streams.

    Raises:
        SystemExit: it failed in another way than a page could want to show.
    """
    words = shlex.split(one.line)
    seconds = float(words[1]) if words[0] == "timeout" else None
    env = os.environ | {"NO_COLOR": "1", "COLUMNS": str(WIDTH), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "isthmus", *one.words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as made:
        try:
            output, _ = made.communicate(timeout=seconds or LIMIT)
        except subprocess.TimeoutExpired:
            made.send_signal(signal.SIGINT)
            output, _ = made.communicate(timeout=LIMIT)
            if seconds is None:
                sys.exit(f"$ {one.line}\n{output}\nit took more than {LIMIT:.0f} s")
    code = made.returncode
    if "Traceback" in output or not output.strip() or (seconds is None and code not in FINE):
        sys.exit(f"$ {one.line}\n{output}\nit ended with {code}")
    return output


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Put into docs/observability.md what its commands print.")
    parser.add_argument("--to", type=pathlib.Path, default=PAGE, help="the file to write; default: the page itself")
    to: pathlib.Path = parser.parse_args(arguments).to
    to.write_text(anew(PAGE.read_text(), run))


if __name__ == "__main__":
    main()
