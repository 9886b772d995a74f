"""The part of the build that has no words in pyproject.toml: generated RPC modules, and binaries somebody built already.

`pip install .` makes `isthmus/rpc` from the proxy API's .proto files, and the two Rust binaries with cargo. With
`ISTHMUS_PREBUILT=<folder>` the binaries are copied from that folder and cargo builds nothing.
"""

import os
import pathlib
import runpy
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools_rust import build_rust

HERE = pathlib.Path(__file__).resolve().parent
BINARIES = ("isthmus-proxy", "isthmus-init")


class BuildPython(build_py):
    """The usual step, after the RPC modules are there."""

    def run(self) -> None:
        runpy.run_path(str(HERE / "tools" / "gen_rpc.py"))["main"]()
        super().run()


class BuildRust(build_rust):
    """Cargo, or a folder of what cargo made before."""

    def run(self) -> None:
        prebuilt = os.environ.get("ISTHMUS_PREBUILT")
        if not prebuilt:
            super().run()
            return
        missing = [name for name in BINARIES if not (pathlib.Path(prebuilt) / name).is_file()]
        if missing:
            raise SystemExit(f"ISTHMUS_PREBUILT is {prebuilt!r}, which has no {' and no '.join(missing)}")
        scripts = pathlib.Path(self.get_finalized_command("install_scripts").build_dir)
        scripts.mkdir(parents=True, exist_ok=True)
        for name in BINARIES:
            shutil.copy2(pathlib.Path(prebuilt) / name, scripts / name)


setup(cmdclass={"build_py": BuildPython, "build_rust": BuildRust})
