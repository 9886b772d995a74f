"""Measure the house against its budgets. In: the files git tracks. Out: one line, exit 1 when a budget is broken.

Never here: style (ruff, clippy) or layers (import-linter). Tests and declaration tables are not measured for size.
"""

import ast
import pathlib
import re
import subprocess
import sys

FILE_MAX = 450
FILE_P90 = 350
FUNCTION_MAX = 80
FUNCTION_P90 = 40
RUST_FN = re.compile(r"^(\s*)(?:pub(?:\(\w+\))? )?(?:const |async |unsafe )*fn (\w+)")


def tracked() -> list[pathlib.Path]:
    """Source files, without tests."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.rs"], capture_output=True, text=True, check=True
    ).stdout.split()
    return [pathlib.Path(f) for f in listed if not re.search(r"(^|/)(tests?|bench)/|/tests\.rs$|/tests/", f)]


def source(path: pathlib.Path) -> list[str]:
    """The lines of a file; Rust ends where its tests begin."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if path.suffix == ".rs" and line.startswith("#[cfg(test)]"):
            return lines[:number]
    return lines


def python_functions(text: str) -> list[int]:
    """Lines of each function."""
    nodes = ast.walk(ast.parse(text))
    return [
        (n.end_lineno or n.lineno) - n.lineno + 1
        for n in nodes
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def rust_functions(lines: list[str]) -> list[int]:
    """Lines of each function, found by indentation (the code is formatted)."""
    sizes: list[int] = []
    start: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        found = RUST_FN.match(line)
        if found and start is None and "{" in line + "".join(lines[number + 1 : number + 8]):
            start = (number, found[1])
        elif start and line.startswith(start[1] + "}"):
            sizes.append(number - start[0] + 1)
            start = None
    return sizes


def quantile(sizes: list[int], share: float) -> int:
    """The value below which `share` of the sizes lie."""
    ordered = sorted(sizes)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def main() -> int:
    """Print the verdict."""
    files: dict[str, int] = {}
    functions: dict[str, list[int]] = {}
    untold: list[str] = []
    for path in tracked():
        lines = source(path)
        if not lines:
            continue
        files[str(path)] = len(lines)
        if path.suffix == ".py":
            functions[str(path)] = python_functions("\n".join(lines))
            untold += [] if ast.get_docstring(ast.parse("\n".join(lines))) else [str(path)]
        else:
            functions[str(path)] = rust_functions(lines)
            untold += [] if any(line.startswith("//!") for line in lines[:5]) else [str(path)]
    sizes = [n for per_file in functions.values() for n in per_file]
    broken = [f"{path} has {n} lines (limit {FILE_MAX})" for path, n in files.items() if n > FILE_MAX]
    broken += [
        f"{path} has a function of {max(ns)} lines (limit {FUNCTION_MAX})"
        for path, ns in functions.items()
        if ns and max(ns) > FUNCTION_MAX
    ]
    broken += [f"{path} does not open with its text" for path in untold]
    if quantile(list(files.values()), 0.9) > FILE_P90:
        broken.append(f"p90 of files is {quantile(list(files.values()), 0.9)} lines (limit {FILE_P90})")
    if quantile(sizes, 0.9) > FUNCTION_P90:
        broken.append(f"p90 of functions is {quantile(sizes, 0.9)} lines (limit {FUNCTION_P90})")
    print(
        f"{len(files)} files, {sum(files.values())} lines, {len(sizes)} functions: " + ("; ".join(broken) or "all hold")
    )
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
