"""Write grafana/*.json. In: `boards`. Out: files, and the names of those that changed; with --check nothing is written.

Say `python -m tools.grafana` after an edit of the dashboards; a test compares. Never here: what a dashboard shows.
"""

import json
import pathlib
import sys

from tools.grafana import boards, model

FOLDER = pathlib.Path(__file__).parents[2] / "grafana"


def files() -> dict[str, str]:
    """File name -> text."""
    made = {board.name: model.document(board) for board in boards.BOARDS}
    return {f"{name}.json": json.dumps(board, indent=1) + "\n" for name, board in made.items()}


def main(check: bool = False) -> int:  # noqa: FBT001, FBT002 (a flag of the command line)
    """Bring the folder in step; 1 where it was not and may not be changed."""
    wanted = files()
    have = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | have.keys() if wanted.get(name) != have.get(name))
    for name in stale:
        print(name)
        if check:
            continue
        if name in wanted:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
