"""The tool that makes docs/observability.md, as a module for tests of two tiers."""

import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).parents[3]
_SPEC = importlib.util.spec_from_file_location("observability", ROOT / "tools" / "observability.py")
assert _SPEC is not None and _SPEC.loader is not None
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)
