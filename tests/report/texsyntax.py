"""A small reader of LaTeX: enough to find what would stop a compiler, without one."""

from __future__ import annotations

import re

TOKEN = re.compile(r"\\(?:[a-zA-Z]+|.)|%.*|[{}$&#_^~]|[^\\{}$&#_^~%]+", re.DOTALL)
KNOWN = {
    "begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule",
    "multicolumn", "pm", "mathrm", "times", "div", "dagger", "ddagger", "leq", "geq", "newcommand", "textbackslash",
    "textasciitilde", "textasciicircum", "raggedright", "arraybackslash", "small", "linewidth", "texttt",
}  # fmt: skip
"""Commands of LaTeX's kernel and of booktabs that our pieces may use."""


def problems(text: str) -> list[str]:
    """What is wrong with a piece of LaTeX; empty for none."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    return _environments(code) + _tokens(code) + _rows(code)


def _environments(code: str) -> list[str]:
    """What is begun and not ended, or ended and not begun."""
    actual, opened = [], []
    for place in re.finditer(r"\\(begin|end)\{(\w+\*?)\}", code):
        if place[1] == "begin":
            opened.append(place[2])
        elif not opened or opened.pop() != place[2]:
            actual.append(f"{place[2]} was not begun")
    return actual + [f"{name} is not ended" for name in opened]


def _tokens(code: str) -> list[str]:
    """Braces and mathematics that do not close; signs and commands that LaTeX does not take."""
    tokens = TOKEN.findall(code)
    actual, depth, math = [], 0, False
    for token in tokens:
        depth += (token == "{") - (token == "}")
        math ^= token == "$"
        if depth < 0:
            actual.append("a brace closes nothing")
            depth = 0
        if (token in "_^" and not math) or token in "#~" or token[0] == "%":
            actual.append(f"{token} is not escaped")
        if token[0] == "\\" and token[1].isalpha() and not token.startswith("\\ganlore"):
            actual += [f"unknown command {token}"] * (token[1:] not in KNOWN)
        if not token.isascii():
            actual.append(f"beyond ASCII: {token!r}")
    return actual + ["braces are open"] * (depth > 0) + ["mathematics is open"] * math


def _rows(code: str) -> list[str]:
    """Rows of a tabular that have not as many cells as it has columns."""
    actual = []
    for spec, body in re.findall(
        r"\\begin\{tabular\}\{((?:[^{}]|\{[^{}]*\})*)\}(.*?)\\end\{tabular\}", code, re.DOTALL
    ):
        columns = len(re.sub(r">\{[^{}]*\}|\{[^{}]*\}", "", spec))
        for row in re.findall(r"^(?!\\(?:top|mid|bottom)rule)(.+?) \\\\$", body, re.MULTILINE):
            spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            cells = len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans)
            if cells != columns:
                actual.append(f"{cells} cells in {columns} columns: {row}")
    return actual


def macros(text: str) -> dict[str, str]:
    """The macros that a file defines, with their texts."""
    lines = [line for line in text.splitlines() if line and not line.startswith("%")]
    actual = {}
    for line in lines:
        match = re.fullmatch(r"\\newcommand\{\\([a-zA-Z]+)\}\{(.*)\}", line)
        assert match, f"no definition of a macro of letters: {line}"
        assert match[1] not in actual, f"defined twice: {match[1]}"
        actual[match[1]] = match[2]
    return actual
