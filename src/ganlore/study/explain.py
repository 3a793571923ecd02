"""Why settings are refused, in words that name the key, the value and what is allowed."""

from __future__ import annotations

import difflib
from typing import Any, TypeGuard, TypeVar

from pydantic import BaseModel, ValidationError

from ganlore.errors import GanloreError
from ganlore.study import documents

M = TypeVar("M", bound=BaseModel)


def mapping(text: str, where: str) -> dict[str, Any]:
    """A mapping from its JSON text.

    Raises:
        GanloreError: if the text is not JSON, has a key twice, or is not a mapping.
    """
    value = documents.parse_json(text, where)
    if not isinstance(value, dict):
        raise GanloreError(f"{where}: expected a mapping of keys, found {type(value).__name__}")
    return value


def parsed(model: type[M], text: str, where: str) -> M:
    """A model from its JSON text.

    Raises:
        GanloreError: as `mapping`, and naming each key that is wrong.
    """
    try:
        return model.model_validate(mapping(text, where))
    except ValidationError as error:
        raise explain(error, model, where) from None


def refuse_nul(document: Any, where: str) -> None:
    """Refuse a text with a NUL, which ends names of files and arguments of programs.

    Raises:
        GanloreError: with the key that has it.
    """
    waiting: list[tuple[str, Any]] = [("", document)]
    seen: set[int] = set()  # YAML's references may lead in a circle
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            raise GanloreError(f"{where}: {key} = {value!r}: a text cannot have a NUL")
        if isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for name, inner in items:
                inside = f"{key}.{name}".lstrip(".")
                waiting += [(inside, inner), (inside, name)]


def explain(error: ValidationError, model: type[BaseModel], where: str) -> GanloreError:
    """Pydantic's findings as one error that names key, value, what is allowed and the nearest."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            allowed = _keys(model, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), allowed, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            lines.append(f"unknown key {key!r}{hint}\n    allowed: {', '.join(sorted(allowed))}")
        elif item["type"] == "missing":
            lines.append(f"the key {key!r} is missing")
        else:
            lines.append(f"{key} = {item['input']!r}: {item['msg']}")
    return GanloreError("\n  ".join([f"{where}:", *lines]))


def _keys(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """The keys that are allowed at a place in a model."""
    for part in place:
        if part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            inner = (annotation, *getattr(annotation, "__args__", ()))
            model = next((a for a in inner if _is_model(a)), model)
    return list(model.model_fields)


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
