"""What a schema file and a vocabulary file may contain: the only definition of the format.

``json_schema`` derives the editors' JSON Schema from these types, and the guide
is docs/add-a-schema.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Expression = str | int | float
"""A number, or the text of an expression over variables, derived values and constants."""

# Patterns are checked by ``plan`` and ``vocabulary`` and only told to editors here: with
# Meta(pattern=...), msgspec 0.22 crashes now and then when the interpreter exits.
IDENTIFIER = r"^[a-z][a-z0-9_]*$"
SOURCE = r"^(prev|sub[0-9]+)\.result$"

Identifier = Annotated[str, Meta(extra_json_schema={"pattern": IDENTIFIER})]
"""The name of a variable, draw, snippet or traced quantity."""

VocabPath = str
"""``people`` or ``<file>.<list>``."""


class IntVariable(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="int"
):
    """A whole number drawn uniformly from ``min`` to ``max``, both included."""

    min: Expression
    """May use the variables that stand before this one."""
    max: Expression
    multiple_of: Annotated[int, Meta(ge=1)] = 1


class FloatVariable(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="float"
):
    """An exact decimal drawn uniformly from ``min`` to ``max`` in steps of ``10**-precision``."""

    min: float
    max: float
    precision: Annotated[int, Meta(ge=1, le=4)] = 1
    multiple_of: Annotated[float, Meta(gt=0)] | None = None
    """A coarser step, such as 0.25."""


class ChoiceVariable(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="choice"
):
    """One of the listed numbers."""

    values: Annotated[list[int | float], Meta(min_length=1)]


class BoolVariable(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag="bool"
):
    """A coin, 1 or 0: for conditions in expressions."""


Variable = IntVariable | FloatVariable | ChoiceVariable | BoolVariable


class Constant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number that the wording implies without giving it, such as 7 for a week."""

    value: int | float
    implied_by: Annotated[list[str], Meta(min_length=1)]
    """Phrases, lower case; each question must contain one of them or the number itself."""


class InitSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="init"
):
    """Introduce ``var`` from an expression of the story or from an earlier sub-trace."""

    var: Identifier
    value: Expression | None = None
    source: Annotated[str, Meta(extra_json_schema={"pattern": SOURCE})] | None = None


class ComputeSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="compute"
):
    """``var = compute_op(args)``."""

    compute_op: str
    args: list[Identifier]
    var: Identifier


class CompareSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="compare"
):
    """``var = compute_op(args)`` in the comparison expert's own vocabulary."""

    compute_op: str
    args: list[Identifier]
    var: Identifier


class QuerySpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="query"
):
    """Ask for ``var``; the last step."""

    var: Identifier


class ConsumeSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="consume"
):
    """Take ``amount`` from ``entity``: a traced name if there is one, else an expression."""

    entity: Identifier
    amount: Expression


class AddSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="add_entity"
):
    """Add ``amount`` to ``entity``."""

    entity: Identifier
    amount: Expression


class TransferSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="transfer"
):
    """Move ``amount`` between two entities."""

    from_entity: Identifier
    to_entity: Identifier
    amount: Expression


class PercentOffSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="percent_off"
):
    """``var = base * (1 - rate/100)``."""

    base: Identifier
    rate: Expression
    var: Identifier


class PercentIncreaseSpec(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="op",
    tag="percent_increase",
):
    """``var = base * (1 + rate/100)``."""

    base: Identifier
    rate: Expression
    var: Identifier


class PercentOfSpec(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="op", tag="percent_of"
):
    """``var = base * rate/100``."""

    base: Identifier
    rate: Expression
    var: Identifier


StepSpec = (
    InitSpec
    | ComputeSpec
    | CompareSpec
    | QuerySpec
    | ConsumeSpec
    | AddSpec
    | TransferSpec
    | PercentOffSpec
    | PercentIncreaseSpec
    | PercentOfSpec
)


class SubTraceSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One part of a composition, with its own expert and its own names."""

    expert: str
    steps: Annotated[list[StepSpec], Meta(min_length=1)]


class Text(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A question text with relations or names of its own."""

    text: str
    relations: list[str] = []
    """In place of the family's."""
    anchors: dict[Identifier, list[str]] = {}
    """Names that suit this text, in place of the family's."""


class Phrasing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A family of question texts that share a domain, its words and its number ranges."""

    domain: str
    """Where the story plays, such as ``garden`` or ``school``."""
    texts: Annotated[list[str | Text], Meta(min_length=1)]
    """Question templates; see docs/add-a-schema.md for what may stand in ``${...}``."""
    draws: dict[Identifier, VocabPath | list[VocabPath]] = {}
    """Words of this family; they join the schema's own."""
    variables: dict[Identifier, Variable] = {}
    """Number ranges that suit this family; they replace the schema's of the same name."""
    constraints: list[str] = []
    """Conditions that this wording adds, such as ``factor == 2`` for "doubled"."""
    relations: list[str] = []
    """What these texts say of their numbers, in place of the schema's own ``relations``."""
    anchors: dict[Identifier, list[str]] = {}
    """Names that suit this family, in place of the schema's: ``["'eggs'"]``, ``["item"]``."""


class Fragment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a mixin may bring and what a schema shares with it."""

    description: str
    """What the problem is, in one sentence."""
    schema: str | None = field(name="$schema", default=None)
    """For editors alone: the path of ``schema.json``."""
    mixins: list[Identifier] = []
    """Files of ``schemas/mixins`` whose content comes first; the schema's own entries win."""
    variables: dict[Identifier, Variable] = {}
    """Numbers drawn in this order."""
    derived: dict[Identifier, str] = {}
    """Values computed from variables, constants and each other."""
    constants: dict[Identifier, Constant] = {}
    constraints: list[str] = []
    """Conditions every draw must meet; a draw that does not is drawn again."""
    draws: dict[Identifier, VocabPath | list[VocabPath]] = {}
    """Words drawn from the vocabulary; no two of one story are the same."""
    snippets: dict[Identifier, str] = {}
    """Pieces of text that templates use as ``${name}``."""
    relations: list[str] = []
    """What the texts say of their numbers, in the words of ``semantics.lexicon``; the answer
    must follow from them alone."""


class Schema(Fragment, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of problem: its numbers, its wordings, its trace and its answer."""

    phrasings: Annotated[list[Phrasing], Meta(min_length=1)]
    trace: Annotated[list[StepSpec], Meta(min_length=1)] | None = None
    """The steps, under names from the story; the naming option decides what is printed."""
    subtraces: Annotated[list[SubTraceSpec], Meta(min_length=2)] | None = None
    """The parts of a composition, in place of ``trace``."""
    answer: Expression
    """Independent of the trace; every example is refused unless the two agree."""
    anchors: dict[Identifier, list[str]] = {}
    """Traced names that come from the story's words: ``[who, item]`` prints ``ava.cards``."""
    fractional: list[str] = []
    """What need not be whole: traced or derived names, or ``answer``; two decimals at most."""


class PeopleFile(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="people"
):
    """Given names by pronoun."""

    she: list[str]
    he: list[str]


class NounsFile(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="nouns"
):
    """Lists of things; a string takes the regular plural, an object gives its own."""

    lists: dict[Identifier, list[str | dict[Literal["one", "many"], str]]]


class WordsFile(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="words"
):
    """Lists of words or phrases that are used as they stand."""

    lists: dict[Identifier, list[str]]


class ScenesFile(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="scenes"
):
    """Lists of bundles: words that belong together, by role."""

    nouns: list[Identifier] = []
    """Roles that are things: they have ``.many`` and agree with numbers."""
    verbs: list[Identifier] = []
    """Roles that are verbs: base form, with ``.s``, ``.past`` and ``.ing``."""
    lists: dict[Identifier, list[dict[Identifier, str | dict[str, str]]]]


VocabFile = PeopleFile | NounsFile | WordsFile | ScenesFile
