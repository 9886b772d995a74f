#!/usr/bin/env python3
"""Make `web/src/shapes.ts`, the page's types, from the structs of `isthmus.dashboard.shapes` and `shapes_more`.

In: the structs. Out: one interface for each, with its docstring; never committed, made anew by each build of the page.
Never here: types by hand.
"""

import inspect
import pathlib
import sys
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402
from msgspec import inspect as kinds  # noqa: E402

from isthmus.dashboard import shapes, shapes_more  # noqa: E402

OUT = ROOT / "web" / "src" / "shapes.ts"
TOP = (
    "// Made by tools/gen_shapes.py from isthmus/dashboard/shapes.py and shapes_more.py. Do not edit, do not commit.\n"
)


def structs() -> list[type[msgspec.Struct]]:
    """Every struct of the treaty, in the order of the files."""
    found = [one for module in (shapes, shapes_more) for one in vars(module).values()]
    classes = [
        one for one in found if inspect.isclass(one) and issubclass(one, shapes.Shape) and one is not shapes.Shape
    ]
    return list(dict.fromkeys(classes))


def typescript(kind: kinds.Type) -> str:
    """One type in the page's words."""
    match kind:
        case kinds.StrType():
            return "string"
        case kinds.BoolType():
            return "boolean"
        case kinds.IntType() | kinds.FloatType():
            return "number"
        case kinds.NoneType():
            return "null"
        case kinds.LiteralType():
            return " | ".join(f'"{value}"' for value in kind.values)
        case kinds.ListType():
            return f"Array<{typescript(kind.item_type)}>"
        case kinds.DictType():
            return f"Record<{typescript(kind.key_type)}, {typescript(kind.value_type)}>"
        case kinds.UnionType():
            return " | ".join(typescript(one) for one in kind.types)
        case kinds.StructType():
            return kind.cls.__name__
        case _:
            raise TypeError(f"no word for {kind} in the page's types")


def interface(struct: type[msgspec.Struct]) -> str:
    """One struct as an interface. The backend sends every field, so none is optional."""
    told = typing.cast("kinds.StructType", kinds.type_info(struct))
    lines = [f"/** {inspect.cleandoc(struct.__doc__ or '')} */", f"export interface {struct.__name__} {{"]
    lines += [f"  {field.encode_name}: {typescript(field.type)};" for field in told.fields]
    return "\n".join([*lines, "}"])


def text() -> str:
    """The whole file."""
    mark = f"export type Mark = {typescript(kinds.type_info(shapes.Mark))};"
    return "\n\n".join([TOP, mark, *(interface(one) for one in structs())]) + "\n"


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text())
