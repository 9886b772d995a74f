#!/usr/bin/env python3
"""Make `isthmus/rpc/` from .proto files. In: crate linkerd2-proxy-api, at the version proxy/Cargo.toml pins; isthmus/rpc/proto.

The crate has what proxies speak. The APIs of the viz extension are in no package: isthmus/rpc/proto says them, with Linkerd's names and
field numbers.

Out, beside isthmus/rpc/__init__.py and never committed: `<file>_pb2.py` with its `.pyi`, and `<file>_grpc.py` with typed clients for
each file that defines a service. The crate is taken from cargo's own cache, or fetched by cargo; `ISTHMUS_PROTO` names a folder instead.
Never here: a second word for what Linkerd's API says already (see docs/decisions).
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

from google.protobuf import descriptor_pb2

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "isthmus" / "rpc"
OURS = OUT / "proto"
CRATE = "linkerd2-proxy-api"
PACKAGE = "isthmus/rpc"
_IMPORT = re.compile(r'^import "([a-z_]+\.proto)";', re.MULTILINE)


def version() -> str:
    """The crate's version, which the proxy's workspace pins."""
    pinned = tomllib.loads((ROOT / "proxy" / "Cargo.toml").read_text())["workspace"]["dependencies"][CRATE]["version"]
    return str(pinned).lstrip("=")


def crate(wanted: str) -> pathlib.Path:
    """The crate's folder of .proto files; cargo fetches it when it is not there yet."""
    if named := os.environ.get("ISTHMUS_PROTO"):
        return pathlib.Path(named)
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    pattern = f"registry/src/*/{CRATE}-{wanted}/proto"
    if not any(home.glob(pattern)):
        fetch(wanted)
    found = sorted(home.glob(pattern))
    if not found:
        sys.exit(f"cargo did not bring {CRATE} {wanted}: set ISTHMUS_PROTO to a folder with its .proto files")
    return found[0]


def fetch(wanted: str) -> None:
    """Let cargo download the crate, by a manifest that asks for nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "src").mkdir()
        (place / "src" / "lib.rs").touch()
        manifest = '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
        (place / "Cargo.toml").write_text(f'{manifest}{CRATE} = "={wanted}"\n')
        try:
            subprocess.run(["cargo", "fetch", "--quiet"], cwd=place, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(
                f"{CRATE} {wanted} could not be fetched by cargo ({error}): is Rust installed, is its registry in reach?"
            )


def stage(sources: list[pathlib.Path], folder: pathlib.Path) -> list[str]:
    """Copy the files as members of our package, so that what protoc writes imports its neighbours; returns their names."""
    (folder / PACKAGE).mkdir(parents=True)
    listed = sorted(p for source in sources for p in source.glob("*.proto"))
    for proto in listed:
        text = _IMPORT.sub(rf'import "{PACKAGE}/\1";', proto.read_text())
        # The crate keeps this well-known type in a folder of its own; every protobuf runtime has it under its usual name.
        text = text.replace("google/protobuf/timestamp/timestamp.proto", "google/protobuf/timestamp.proto")
        (folder / PACKAGE / proto.name).write_text(text)
    return [f"{PACKAGE}/{proto.name}" for proto in listed]


def compile_all(folder: pathlib.Path, files: list[str]) -> descriptor_pb2.FileDescriptorSet:
    """Run protoc; returns what it understood, for the clients."""
    described = folder / "set.bin"
    words = [f"-I{folder}", f"--python_out={folder}", f"--pyi_out={folder}", f"-o{described}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *words, *files], check=True)
    return descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes())


def homes(understood: descriptor_pb2.FileDescriptorSet) -> dict[str, str]:
    """Package -> the module that protoc writes for it. No package is spread over files in what we read."""
    return {file.package: f"{pathlib.PurePath(file.name).stem}_pb2" for file in understood.file}


def client(file: descriptor_pb2.FileDescriptorProto, modules: dict[str, str]) -> str:
    """The text of `<file>_grpc.py`: for each service its full name and a client on a `grpc.aio` channel."""
    used: set[str] = set()

    def typed(name: str) -> str:
        """`.io.linkerd.proxy.destination.Update` -> `destination_pb2.Update`."""
        package, _, message = name.removeprefix(".").rpartition(".")
        used.add(modules[package])
        return f"{modules[package]}.{message}"

    body: list[str] = []
    for service in file.service:
        full = f"{file.package}.{service.name}"
        body += [
            "",
            "",
            f"class {service.name}:",
            f'    """Client of `{full}`; its methods are named as on the wire."""',
            "",
        ]
        body += [f'    NAME = "{full}"', "", "    def __init__(self, channel: grpc.aio.Channel) -> None:"]
        for method in service.method:
            takes, gives = typed(method.input_type), typed(method.output_type)
            shape = "UnaryStream" if method.server_streaming else "UnaryUnary"
            make = "unary_stream" if method.server_streaming else "unary_unary"
            body += [
                f"        self.{method.name}: grpc.aio.{shape}MultiCallable[{takes}, {gives}] = channel.{make}(",
                f'            "/{full}/{method.name}",',
                f"            request_serializer={takes}.SerializeToString,",
                f"            response_deserializer={gives}.FromString,",
                "        )",
            ]
    imports = ", ".join(sorted(used))
    head = f'"""Clients made by tools/gen_rpc.py from {file.name.rpartition("/")[2]}. Do not edit."""'
    top = [
        head,
        "",
        "from __future__ import annotations",
        "",
        "import grpc.aio",
        "",
        f"from isthmus.rpc import {imports}",
    ]
    return "\n".join([*top, *body, ""])


def main() -> int:
    """Generate, then put each file in its place at once."""
    source = crate(version())
    with tempfile.TemporaryDirectory(dir=ROOT / "isthmus", prefix=".rpc-") as temporary:
        folder = pathlib.Path(temporary)
        understood = compile_all(folder, stage([source, OURS], folder))
        made, modules = folder / PACKAGE, homes(understood)
        for file in understood.file:
            if file.service:
                name = pathlib.PurePath(file.name).stem
                (made / f"{name}_grpc.py").write_text(client(file, modules))
        written = [p for p in sorted(made.iterdir()) if p.suffix != ".proto"]
        for path in written:
            path.replace(OUT / path.name)
    print(f"rpc: {len(written)} files from {CRATE} {version()} and isthmus/rpc/proto")
    return 0


if __name__ == "__main__":
    sys.exit(main())
