"""Question templates: read once, compiled to closures that write text.

In a template ``${...}`` is a placeholder and ``[one|other]`` a free choice
between wordings. A placeholder is, in this order,

    ${a THING}  ${NUMBER THING}  ${THING|form}

where ``a`` puts the article, NUMBER is a variable and THING a variable, a drawn
word (``who``, ``item.many``, ``who.they``, ``who's``) or a quoted noun, which
after a number takes its number: ``${n item}``, ``${hours 'hour'}``. Forms are
those of ``numerals.FORMS``, and ``pick:is,are`` chooses by the number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trace_pipeline.generation import grammar, numerals
from trace_pipeline.generation.randomness import Stream
from trace_pipeline.generation.vocabulary import Entry
from trace_pipeline.traces.numbers import Number
from trace_pipeline.validation import unknown_name

SPELLED = {value: numerals.words(value) for value in range(1, 11)}
"""Whole numbers that may stand in words where the template leaves it open."""
SPELLED_ONE_IN = 3
"""How often a story writes them so; it does for all or for none of its numbers."""

Part = Callable[["Story"], str]


class TemplateError(ValueError):
    """A template that cannot be read; the message says what is wrong with it."""


@dataclass(slots=True)
class Story:
    """What one question tells: its numbers, its words and the random choices still open."""

    values: Mapping[str, Number]
    draws: Mapping[str, Entry]
    stream: Stream
    fixed: bool
    """One wording per template: first alternatives, all numbers in figures."""
    spelled: bool = field(init=False)
    """Whether small numbers stand in words."""

    def __post_init__(self) -> None:
        """Decide how numbers are written."""
        self.spelled = not self.fixed and not self.stream.below(SPELLED_ONE_IN)


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders may name."""

    numbers: frozenset[str]
    draws: Mapping[str, tuple[Entry, ...]]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template."""

    source: str
    names: frozenset[str]
    """The variables and draws that its text shows."""
    write: Part
    """What writes the text, capitals apart."""

    def render(self, story: Story) -> str:
        """The question's text."""
        return grammar.capitalise_sentences(self.write(story))


def _joined(parts: Sequence[str | Part]) -> Part:
    """One part that writes all of ``parts``: a pattern for the fixed ones, filled by the rest."""
    pattern = "".join(
        [part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts]
    )
    moving = [part for part in parts if not isinstance(part, str)]
    match moving:
        case []:
            text = pattern % ()
            return lambda story: text
        case [only]:
            return only if pattern == "%s" else lambda story: pattern % only(story)
    return lambda story: pattern % tuple([part(story) for part in moving])


def expand_snippets(text: str, snippets: Mapping[str, str], inside: tuple[str, ...] = ()) -> str:
    """``text`` with every ``${snippet}`` replaced by its content.

    Raises:
        TemplateError: snippets that contain each other.
    """

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name not in snippets:
            return match[0]
        if name in inside:
            raise TemplateError(f"snippets in a cycle: {' -> '.join((*inside, name))}; break it")
        return expand_snippets(snippets[name], snippets, (*inside, name))

    return re.sub(r"\$\{([a-z][a-z0-9_]*)\}", replaced, text)


def compile_template(source: str, scope: Scope) -> Template:
    """Read and compile ``source``.

    Raises:
        TemplateError: unbalanced brackets, a placeholder that is not one, an unknown name or form.
    """
    compiler = _Compiler(source, scope)
    write = compiler.sequence("")
    return Template(source, frozenset(compiler.names), write)


_TOKEN = re.compile(r"\$\{([^{}]*)\}|([\[\]|])|([^$\[\]|{}]+|\$(?!\{))")
_PLACEHOLDER = re.compile(
    r"(?:(?P<article>a) )?(?:(?P<count>[a-z][a-z0-9_]*) )?"
    r"(?:'(?P<literal>[^']+)'|(?P<name>[a-z][a-z0-9_]*)(?P<path>(?:\.[a-z][a-z0-9_]*)*(?:'s)?))"
    r"(?:\|(?P<form>[a-z]+)(?::(?P<argument>[^|]*))?)?"
)


class _Compiler:
    """One pass over one template's tokens."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.scope = scope
        self.names: set[str] = set()
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(source):
            match = _TOKEN.match(source, position)
            if match is None:
                found = source[position : position + 12]
                raise TemplateError(f"unexpected {found!r}; a placeholder is ${{...}}")
            kind = "placeholder" if match[1] is not None else "bracket" if match[2] else "text"
            self.tokens.append((kind, match[match.lastindex or 0]))
            position = match.end()
        self.position = 0
        self.figures_only = {
            content.removeprefix("a ").partition("|")[0].partition(" ")[0]
            for index, (kind, content) in enumerate(self.tokens)
            if kind == "placeholder" and self._touches_symbol(index)
        }
        """Variables that touch a symbol somewhere ("ten%") and so never stand in words."""

    def _touches_symbol(self, index: int) -> bool:
        before = self.tokens[index - 1][1] if index else ""
        after = self.tokens[index + 1][1] if index + 1 < len(self.tokens) else ""
        return before.endswith(("$", "-", "/", ":")) or after.startswith(("%", "/", ":"))

    def sequence(self, until: str) -> Part:
        """What stands before a closing bracket or bar (``until``: which may end it)."""
        parts: list[str | Part] = []
        while self.position < len(self.tokens):
            kind, content = self.tokens[self.position]
            if kind == "bracket" and content != "[":
                if content in until:
                    return _joined(parts)
                raise TemplateError(f"{content!r} without a '[' before it; open it or take it out")
            self.position += 1
            if kind == "text":
                parts.append(content)
            elif kind == "placeholder":
                parts.append(self._placeholder(content))
            else:
                parts.append(self._alternatives())
        if until:
            raise TemplateError("'[' without a ']' after it; close it")
        return _joined(parts)

    def _alternatives(self) -> Part:
        options = []
        while True:
            options.append(self.sequence("|]"))
            closing = self.tokens[self.position][1]
            self.position += 1
            if closing == "]":
                break
        if len(options) < 2:
            raise TemplateError("expected two alternatives or more between '[' and ']'")

        def choose(story: Story) -> str:
            option = options[0] if story.fixed else story.stream.choice(options)
            return option(story)

        return choose

    def _placeholder(self, content: str) -> Part:
        match = _PLACEHOLDER.fullmatch(content)
        if match is None:
            raise TemplateError(
                f"cannot read the placeholder ${{{content}}}; expected a name in small letters, or "
                "a THING, NUMBER THING, NUMBER|form, with single spaces"
            )
        if match["count"] == "an" and "an" not in self.scope.numbers:
            raise TemplateError(f"expected 'a' in ${{{content}}}: it becomes 'an' where it must")
        part = self._thing(match, content)
        if match["count"] is not None:
            count, thing = self._number(match["count"], ""), part
            part = lambda story: f"{count(story)} {thing(story)}"  # noqa: E731
        if match["article"]:
            inner = part
            part = lambda story: _with_article(inner(story))  # noqa: E731
        return part

    def _thing(self, match: re.Match[str], content: str) -> Part:
        count, name, form = match["count"], match["name"], match["form"]
        if form == "pick":
            return self._pick(name, match["argument"], content)
        if match["argument"] is not None:
            raise TemplateError(f"the form {form!r} takes nothing after it, in ${{{content}}}")
        if match["literal"] is not None:
            one, many = match["literal"], grammar.plural(match["literal"])
            if form or count is None:
                raise TemplateError(f"expected a number before the noun in ${{{content}}}")
            return _agreeing(count, lambda story: one, lambda story: many)
        if name in self.scope.numbers:
            if count or match["path"]:
                raise TemplateError(f"expected a noun in ${{{content}}}, found the number {name!r}")
            return self._number(name, form or "")
        if form:
            raise TemplateError(f"the form {form!r} needs a number in ${{{content}}}")
        path = match["path"].removeprefix(".")
        one_form = self._form(name, path)
        if count is None:
            return one_form
        return _agreeing(count, one_form, self._form(name, f"{path}.many".removeprefix(".")))

    def _number(self, name: str, form: str) -> Part:
        self._known(name, self.scope.numbers, "number")
        if form:
            if form not in numerals.FORMS:
                raise TemplateError(unknown_name("form", form, [*numerals.FORMS, "pick"]))
            write = numerals.FORMS[form]
            return lambda story: write(story.values[name])
        if name in self.figures_only:
            return lambda story: numerals.figures(story.values[name])

        def either(story: Story) -> str:
            value = story.values[name]
            if type(value) is int and value < 1000:
                return SPELLED[value] if story.spelled and value in SPELLED else str(value)
            return numerals.figures(value)

        return either

    def _pick(self, name: str | None, argument: str | None, content: str) -> Part:
        singular, comma, several = (argument or "").partition(",")
        if name is None or not comma or "," in several:
            raise TemplateError(f"expected ${{number|pick:one,many}}, found ${{{content}}}")
        self._known(name, self.scope.numbers, "number")
        return _agreeing(name, lambda story: singular, lambda story: several)

    def _form(self, name: str, path: str) -> Part:
        self._known(name, self.scope.draws, "placeholder")
        lacking = [entry.key for entry in self.scope.draws[name] if path not in entry.forms]
        if lacking:
            forms = sorted(form for form in self.scope.draws[name][0].forms if form)
            shown = f"{name}.{path}" if path else name
            raise TemplateError(
                f"{shown!r} does not exist for {lacking[0]!r} (forms there: {', '.join(forms)})"
            )
        return lambda story: story.draws[name].forms[path]

    def _known(self, name: str, known: Mapping[str, object] | frozenset[str], kind: str) -> None:
        if name not in known:
            if name in self.scope.draws:
                numbers = ", ".join(sorted(self.scope.numbers)) or "none"
                raise TemplateError(
                    f"expected a number, found the word {name!r}. There are: {numbers}"
                )
            there = sorted(self.scope.numbers) + sorted(self.scope.draws)
            raise TemplateError(unknown_name(kind, name, there))
        self.names.add(name)


def _agreeing(count: str, one: Part, many: Part) -> Part:
    return lambda story: one(story) if story.values[count] == 1 else many(story)


def _with_article(text: str) -> str:
    return f"{grammar.article(text)} {text}"
