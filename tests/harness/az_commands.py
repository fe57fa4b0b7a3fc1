"""Finds every command of az that somebody is told to type: in the docs, in scripts, in what our commands print."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SOMETHING: Final = "X"
"""Stands for what is only known when the command is typed: a variable, a placeholder, what another command printed."""

_FENCE: Final = re.compile(r"(<!-- example: .+? -->\n)?^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`([^`]+)`")
_PLACEHOLDER: Final = re.compile(r"<[a-zA-Z][^<>|;&\n]*>")
_VARIABLE: Final = re.compile(r"\$(\w+|[?@#*])")
_TOLD: Final = re.compile(r"\baz [a-z].*")


@dataclass(frozen=True, slots=True)
class AzCommand:
    """``words`` without the leading ``az``; ``…`` is among them where the text leaves something out."""

    where: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Show it with its place."""
        return f"{self.where}: az {' '.join(self.words)}"


class UnreadableShellError(ValueError):
    """A quote or a bracket is not closed."""


def every_az_command() -> list[AzCommand]:
    """Collect them from the whole repository."""
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("infra/**/*.md")]
    scripts = [*REPOSITORY.glob("scripts/*.sh"), *REPOSITORY.glob("scripts/*.ps1")]
    modules = REPOSITORY.glob("spot_responder/**/*.py")
    return [
        *(command for page in pages for command in in_page(_name(page), page.read_text(encoding="utf-8"))),
        *(command for script in scripts for command in in_shell(_name(script), script.read_text(encoding="utf-8"))),
        *(command for module in modules for command in in_module(_name(module), module.read_text(encoding="utf-8"))),
    ]


def in_page(where: str, text: str) -> Iterator[AzCommand]:
    """Read a page of Markdown: its blocks, what stands in backticks, and the examples of what our commands print."""
    for example, block in _FENCE.findall(text):
        if example:
            for line in block.splitlines():
                yield from in_sentence(where, _out_of_json(line))
        elif "az " in block:
            yield from in_shell(where, block)
    for span in _INLINE.findall(_FENCE.sub("", text)):
        if "az " in span:
            # A span may be broken like any text, and a table's cell cannot hold a bare bar.
            yield from in_shell(where, span.replace("\\|", "|").replace("\n", " "))


def in_module(where: str, source: str) -> Iterator[AzCommand]:
    """Read what a module of ours may print: its texts, put together as far as they are put together there."""
    tree = ast.parse(source)
    texts = _Texts(tree)
    for text in texts.printed():
        if "az " in text:
            for line in text.splitlines():
                yield from in_sentence(where, line)


def in_sentence(where: str, line: str) -> Iterator[AzCommand]:
    """Read a line of prose: a command stands in backticks, or at the line's end."""
    spans = [span for span in _INLINE.findall(line) if "az " in span]
    for code in spans or _TOLD.findall(line):
        yield from in_shell(where, code)


def in_shell(where: str, code: str) -> Iterator[AzCommand]:
    """Read what a shell would be given.

    Raises:
        UnreadableShellError: if a quote or a bracket is not closed.
    """
    reader = _Shell(code)
    reader.read("")
    for command in reader.commands:
        words = command[command.index("az") + 1 :] if "az" in command else []
        if command[0] == "xargs":
            words.append(SOMETHING)
        if words:
            yield AzCommand(where, tuple(words))


def history_expansions(code: str) -> list[str]:
    """Give each place where an interactive bash would put something out of its history, or stop: a bare ``!``."""
    reader = _Shell(code)
    reader.read("")
    return reader.expansions


def shell_code_of(text: str) -> list[str]:
    """Give what a page offers to a shell: its blocks but the examples, and its spans that begin with a command."""
    blocks = [block for example, block in _FENCE.findall(text) if not example]
    spans = [span.replace("\\|", "|") for span in _INLINE.findall(_FENCE.sub("", text))]
    return blocks + [span for span in spans if re.match(r"(az|azd|for|while|logs|said|raw|witness|as_app|curl) ", span)]


def _out_of_json(line: str) -> str:
    """Give the text that stands alone on a line of JSON; any other line as it is."""
    text = line.strip().removesuffix(",")
    return str(json.loads(text)) if re.fullmatch(r'"(?:[^"\\]|\\.)*"', text) else line


def _name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


class _Shell:
    """Reads as much of bash as stands in our pages, and keeps the words of every simple command."""

    def __init__(self, code: str) -> None:
        self.commands: list[list[str]] = []
        self.expansions: list[str] = []
        self._code = code
        self._at = 0

    def read(self, closing: str) -> None:
        """Read until an unquoted closing bracket, or to the end."""
        words: list[str] = []
        while self._at < len(self._code):
            char = self._code[self._at]
            if closing and char == closing:
                break
            if char in " \t":
                self._at += 1
            elif self._code.startswith("\\\n", self._at):
                self._at += 2
            elif char in "\n;|&()":
                self._at += 1
                words = self._end(words)
            elif char == "#":
                self._skip_comment()
            elif char in "<>" and not _PLACEHOLDER.match(self._code, self._at):
                self._skip_redirection()
            elif (word := self._word(closing)) is not None:
                words.append(word)
        else:
            if closing:
                message = f"{closing!r} is missing in {self._code[:200]!r}"
                raise UnreadableShellError(message)
        self._at += 1
        self._end(words)

    def _end(self, words: list[str]) -> list[str]:
        if words:
            self.commands.append(words)
        return []

    def _skip_comment(self) -> None:
        end = self._code.find("\n", self._at)
        self._at = len(self._code) if end < 0 else end

    def _skip_redirection(self) -> None:
        found = re.compile(r"<\(|[<>&]+\s*").match(self._code, self._at)
        assert found
        self._at = found.end()
        if found[0] == "<(":
            self.read(")")
        elif self._at < len(self._code):
            self._word("")

    def _word(self, closing: str) -> str | None:
        """Read one word; ``None`` where it is the number of a stream, as in ``2>&1``."""
        word = ""
        while self._at < len(self._code):
            char = self._code[self._at]
            if char in " \t\n;|&()" or char == closing:
                break
            if placeholder := _PLACEHOLDER.match(self._code, self._at):
                word += SOMETHING
                self._at = placeholder.end()
            elif char in "<>":
                break
            elif char == "'":
                word += self._single()
            elif char == '"':
                word += self._double()
            else:
                word += self._bare(char)
        is_stream = word.isdigit() and self._code[self._at : self._at + 1] in {"<", ">"}
        return None if is_stream else word

    def _bare(self, char: str) -> str:
        if char == "\\":
            self._at += 2
            escaped = self._code[self._at - 1 : self._at]
            return "" if escaped == "\n" else escaped
        if char == "$":
            return self._dollar()
        if char == "!" and self._is_expanded():
            self.expansions.append(self._code[max(self._at - 20, 0) : self._at + 20])
        self._at += 1
        return char

    def _is_expanded(self) -> bool:
        """Whether a ``!`` outside of single quotes is one of the history's; not before a blank, nor in ``[!a]``."""
        before, after = self._code[self._at - 1 : self._at], self._code[self._at + 1 : self._at + 2]
        return before != "[" and bool(after) and after not in ' \t\n=("'

    def _single(self) -> str:
        end = self._code.find("'", self._at + 1)
        if end < 0:
            message = f"a single quote is not closed in {self._code[self._at : self._at + 200]!r}"
            raise UnreadableShellError(message)
        text = self._code[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double(self) -> str:
        began, text = self._at, ""
        self._at += 1
        while self._at < len(self._code):
            char = self._code[self._at]
            if char == '"':
                self._at += 1
                return text
            text += self._bare(char)
        message = f"a double quote is not closed in {self._code[began : began + 200]!r}"
        raise UnreadableShellError(message)

    def _dollar(self) -> str:
        if self._code.startswith("$(", self._at):
            self._at += 2
            self.read(")")
            return SOMETHING
        if self._code.startswith("${", self._at):
            end = self._code.index("}", self._at)
            self._at = end + 1
            return SOMETHING
        if variable := _VARIABLE.match(self._code, self._at):
            self._at = variable.end()
            return SOMETHING
        self._at += 1
        return "$"


class _Texts:
    """Puts a module's texts together: an f-string with what its names and functions of the same module stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._names: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._names[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._names[name] = value
                case ast.FunctionDef(name=name, body=[*_, ast.Return(value=ast.expr() as value)]):
                    self._names[name] = value

    def printed(self) -> Iterator[str]:
        """Give every text but those that are parts of others, and docstrings."""
        parts: set[ast.AST] = set()
        for node in ast.walk(self._tree):
            match node:
                case ast.JoinedStr():
                    parts.update(ast.walk(node))
                    yield self.of(node)
                case ast.Expr(value=ast.Constant() as docstring):
                    parts.add(docstring)
                case ast.Constant(value=str(text)) if node not in parts:
                    yield text

    def of(self, node: ast.expr, depth: int = 5) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self.of(part, depth) for part in parts)
            case ast.FormattedValue(value=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))) if depth:
                stands_for = self._names.get(name)
                return self.of(stands_for, depth - 1) if stands_for else SOMETHING
            case _:
                return SOMETHING
