"""``solve`` and ``verify``: the solver on files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import click

from trace_pipeline.traces.limits import MAX_BITS
from trace_pipeline.validation import InvalidInputError, unknown_name


@click.command()
@click.argument("file", type=click.Path(allow_dash=True))
def solve(file: str) -> None:
    """Execute the trace in FILE (- for standard input) and show each step.

    The trace may stand bare, after prose or in a code fence.
    """
    from trace_pipeline.solver import Solver, explain
    from trace_pipeline.traces import format_number, parse_trace

    trace = parse_trace(_read(file))
    execution = Solver().execute(trace)
    for line in explain(trace, execution):
        click.echo(line)
    click.echo(f"answer: {format_number(execution.answer)}")


@click.command()
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--rewards", type=click.Choice(["graded", "binary"]), default="graded", show_default=True
)
@click.option("--allow-short-circuit", is_flag=True, help="The earlier rule set, for ablations.")
def verify(file: str, rewards: Literal["graded", "binary"], allow_short_circuit: bool) -> None:
    """Judge every line of FILE: {"text": ..., "answer": ..., "expert": ...?}.

    One JSON object a line comes out, in order: kind, reason, reward, answer, message.
    The answer is a JSON number, or text such as "1/3" where none is exact.
    """
    from trace_pipeline.solver import Solver
    from trace_pipeline.traces import number_to_json

    requests = list(_requests(file, _read(file)))
    solver = Solver(allow_short_circuit=allow_short_circuit, rewards=rewards)
    for text, answer, expert in requests:
        verdict = solver.verify(text, answer, expert)
        line = {
            "kind": str(verdict.kind),
            "reason": None if verdict.reason is None else str(verdict.reason),
            "reward": verdict.reward,
            "answer": None if verdict.answer is None else number_to_json(verdict.answer),
            "message": verdict.message,
        }
        click.echo(json.dumps(line, ensure_ascii=False))


def _read(file: str) -> str:
    try:
        # Standard input too: in some locales Python lets bytes pass that are no text.
        with click.open_file(file, encoding="utf-8-sig") as stream:
            return str(stream.read())
    except FileNotFoundError:
        raise InvalidInputError(
            f"{file}: no such file; name one, or give - to read standard input"
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file}: not UTF-8 text ({error})") from None


def _requests(file: str, data: str) -> Iterator[tuple[str, Any, str | None]]:
    """Check every line before the first is judged, so that nothing half-done comes out."""
    from trace_pipeline.solver import COMPOSITION, EXPERT_OPERATIONS, gold_number

    known = [*EXPERT_OPERATIONS, COMPOSITION]
    for number, line in enumerate(data.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}: line {number}"
        try:
            record = json.loads(line, parse_float=Decimal, parse_int=_whole_number)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"{where}: not JSON: {error}") from None
        except InvalidOperation:
            reason = "expected smaller exponents, found one that no number here has"
            raise InvalidInputError(f"{where}: {reason}") from None
        except RecursionError:
            raise InvalidInputError(f"{where}: nested too deeply; expected an object") from None
        if not isinstance(record, dict):
            raise InvalidInputError(f"{where}: expected an object, found {type(record).__name__}")
        text, expert = record.get("text"), record.get("expert")
        if not isinstance(text, str):
            raise InvalidInputError(f"{where}: $.text: expected a string, found {text!r:.60}")
        if not isinstance(expert, str | None):
            raise InvalidInputError(f"{where}: $.expert: expected a string, found {expert!r:.60}")
        if expert is not None and expert not in known:
            raise InvalidInputError(f"{where}: $.expert: {unknown_name('expert', expert, known)}")
        if "answer" not in record:
            raise InvalidInputError(f"{where}: $.answer is missing; add the gold answer")
        try:
            gold_number(record["answer"])
        except ValueError as error:
            raise InvalidInputError(f"{where}: $.answer: {error}") from None
        yield text, record["answer"], expert


def _whole_number(digits: str) -> int | Decimal:
    """Python reads no ``int`` of thousands of digits; no gold answer has as many."""
    return int(digits) if len(digits) <= MAX_BITS else Decimal(digits)


COMMANDS = [solve, verify]
