"""What a class declares, read from its file's syntax tree without running it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from ganlore import settings as shared_settings
from ganlore import storage
from ganlore.errors import GanloreError

PACKAGE = Path(__file__).parents[1]

FACTS = frozenset(
    {"paper", "formula", "tip", "incompatible", "requires", "provides", "extractors"}
    | {
        "captions",
        "combines",
        "batch_multiple_of",
        "least_batch",
        "shape",
        "n_train",
        "mirrored",
        "origin",
        "licence",
        "citation",
        "provides_if",
        "logs",
        "equal_to",
        "deviations",
        "published",
        "no_effect",
        "acts_unless",
        "acts_after",
        "resize",
        "weights",
        "reads",
    }
)
"""Class attributes that are read as facts. The base classes say what each one means."""

DESCRIPTIVE = frozenset(
    {"paper", "formula", "tip", "captions", "incompatible", "requires", "provides", "combines"}
    | {"provides_if", "logs", "reads", "no_effect", "acts_unless", "acts_after", "equal_to"}
    | {"deviations", "published"}
)
"""Facts that only describe, or decide which cells there are: they change no run's result."""

NAMESPACE: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, tuple, list, dict)},
    **{name: getattr(shared_settings, name) for name in shared_settings.__all__},
}
"""All that a declaration may use beside literals. Nothing is evaluated as code."""


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file; a syntax error is a GanloreError with its place."""
    try:
        return ast.parse(storage.read_text(path), filename=str(path))
    except SyntaxError as error:
        raise GanloreError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None
    except (MemoryError, RecursionError, ValueError) as error:  # nested too deeply, or with a NUL
        raise GanloreError(
            f"{path}: not readable as Python: {error or 'nested too deeply'}"
        ) from None


def read_class(path: Path, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Docstring's first line, facts and settings of a class, those of its bases included.

    Raises:
        GanloreError: if there is no such class, or a declaration is no literal.
    """
    module = parse(path)
    node = next((n for n in module.body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if node is None:
        origin = _origin(module, name)
        if origin is None:
            raise GanloreError(f"{path}: class {name!r} is neither defined nor imported here")
        return read_class(origin, name)
    facts: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id == name:
            raise GanloreError(f"{path}:{node.lineno}: the class {name!r} is its own base")
        if isinstance(base, ast.Name) and _is_ours(module, base.id):
            _, more_facts, more_fields = read_class(path, base.id)
            facts |= more_facts
            fields |= more_fields
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.value is not None and "ClassVar" not in ast.unparse(statement.annotation):
                field = statement.target.id
                annotation = _read_type(statement.annotation, path, field)
                fields[field] = (annotation, _read(statement.value, path, field))
            elif statement.value is not None and statement.target.id in FACTS:
                facts[statement.target.id] = _read(statement.value, path, statement.target.id)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name) and target.id in FACTS:
                    facts[target.id] = _read(statement.value, path, target.id)
    summary = (ast.get_docstring(node) or "").split("\n")[0]
    return summary, facts, fields


def _is_ours(module: ast.Module, name: str) -> bool:
    """Whether a base class is one of ours; others (ABC, nn.Module) declare nothing."""
    defined = any(isinstance(n, ast.ClassDef) and n.name == name for n in module.body)
    return defined or _origin(module, name) is not None


def _origin(module: ast.Module, name: str) -> Path | None:
    """The file that `from ganlore.x import name` takes a class from."""
    for node in module.body:
        if not isinstance(node, ast.ImportFrom) or not node.module or node.level:
            continue
        if any((alias.asname or alias.name) == name for alias in node.names):
            return module_file(node.module)
    return None


def module_file(module: str) -> Path | None:
    """The file of a module of this package, None for any other."""
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*rest)
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _read(node: ast.expr, path: Path, name: str) -> Any:
    """The value of a declaration's default or type.

    Raises:
        GanloreError: with the place, and what a declaration may use.
    """
    try:
        return _value(node)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise GanloreError(
            f"{path}:{node.lineno}: the declaration of {name!r} cannot be read without running "
            f"the file ({error})\n  use literals, and of these the name, a call, [...] or |: "
            f"{', '.join(sorted(NAMESPACE))}"
        ) from None


def _read_type(node: ast.expr, path: Path, name: str) -> Any:
    """As `_read`, of an annotation: pydantic would evaluate a string in it as code."""
    if name.startswith("_"):
        raise GanloreError(
            f"{path}:{node.lineno}: {name!r} has an annotation, which makes it a setting\n"
            "  a setting's name begins with a letter"
        )
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) or (
            isinstance(inner, ast.Constant)
            and inner.value not in (None, ...)
            and not isinstance(inner.value, str | bytes)
        ):
            raise GanloreError(
                f"{path}:{node.lineno}: the type of {name!r} is none: `{ast.unparse(node)}`\n"
                f"  write a type of: {', '.join(sorted(NAMESPACE))}"
            )
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str | bytes):
            raise GanloreError(
                f"{path}:{node.lineno}: the type of {name!r} has a string in it: "
                f"`{ast.unparse(node)}`\n  write the type without quotes, of: "
                f"{', '.join(sorted(NAMESPACE))}"
            )
    return _read(node, path, name)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in NAMESPACE:
            return NAMESPACE[name]
        case ast.Call(func=ast.Name() as func, args=args, keywords=keywords):
            named = {str(keyword.arg): _value(keyword.value) for keyword in keywords}
            return _value(func)(*map(_value, args), **named)
        case ast.Subscript(value=ast.Name() as generic, slice=inner):
            return _value(generic)[_value(inner)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _value(left) | _value(right)
        case ast.Tuple(elts=items):
            return tuple(map(_value, items))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise ValueError(f"`{ast.unparse(node)}` is not one of them") from None
