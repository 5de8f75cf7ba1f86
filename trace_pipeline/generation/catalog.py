"""The catalogue: all schemas and vocabulary, read and checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trace_pipeline.experiment import EXPERTS
from trace_pipeline.generation.findings import GenerationError
from trace_pipeline.generation.model import Fragment, Schema
from trace_pipeline.generation.plan import Plan, compile_schema
from trace_pipeline.generation.realisation import realise, require_sound
from trace_pipeline.generation.vocabulary import CatalogError, load_vocabulary, read_json
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError, convert, unknown_name

MIXINS = "mixins"
EDITORS_SCHEMA = "schema.json"
"""What editors complete by (``json_schema``); it stands beside the experts' folders."""
TRIALS = 2
"""Examples made of each template when a catalogue is loaded, so that nothing broken gets in."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every schema, compiled, by id in alphabetical order."""

    plans: dict[str, Plan]
    unused_vocabulary: tuple[str, ...] = ()
    """Vocabulary paths that no schema draws from."""

    @classmethod
    def load(cls, schemas: str | Path, vocab: str | Path) -> Catalog:
        """Read the folders of schemas and vocabulary; each template is tried out.

        Raises:
            CatalogError: the first thing that cannot work, with file, path and reason.
        """
        folder, vocabulary = Path(schemas), load_vocabulary(Path(vocab))
        if not folder.is_dir():
            raise CatalogError(f"{folder}: expected a folder of schemas, found none")
        _refuse_misplaced(folder)
        plans: dict[str, Plan] = {}
        drawn: set[str] = set()
        for expert_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
            if expert_folder.name == MIXINS:
                continue
            if expert_folder.name not in EXPERTS:
                reason = unknown_name("expert", expert_folder.name, list(EXPERTS))
                raise CatalogError(f"{expert_folder}: {reason}")
            for path in sorted(expert_folder.glob("*.json")):
                schema = _read_schema(path, folder / MIXINS)
                plan = compile_schema(schema, expert_folder.name, path.stem, vocabulary, str(path))
                plans[plan.id] = plan
                drawn |= _paths_drawn(schema)
        if not plans:
            raise CatalogError(f"{folder}: expected schemas at <expert>/<name>.json, found none")
        solver = Solver()
        for plan in plans.values():
            _try_out(plan, solver)
        return cls(plans, tuple(sorted(set(vocabulary.lists) - drawn)))

    def plan(self, name: str) -> Plan:
        """The schema of an id, or of a bare name where that is unique.

        Raises:
            CatalogError: unknown or ambiguous.
        """
        if name in self.plans:
            return self.plans[name]
        matches = [key for key in self.plans if key.partition("/")[2] == name]
        if len(matches) > 1:
            raise CatalogError(f"schema {name!r} is ambiguous; take one of: {', '.join(matches)}")
        if not matches:
            raise CatalogError(unknown_name("schema", name, list(self.plans)))
        return self.plans[matches[0]]


def _refuse_misplaced(folder: Path) -> None:
    """Refuse a schema that would never be read, for it is no ``<expert>/<name>.json``."""
    for path in sorted(folder.rglob("*.json")):
        place = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in place)
        if len(place) != 2 and place != (EDITORS_SCHEMA,) and not hidden:
            raise CatalogError(
                f"{path}: schemas are read from {folder}/<expert>/<name>.json alone; move it there"
            )


def _paths_drawn(schema: Schema) -> set[str]:
    sources = [
        source
        for draws in (schema.draws, *(p.draws for p in schema.phrasings))
        for source in draws.values()
    ]
    return {
        path for source in sources for path in ([source] if isinstance(source, str) else source)
    }


def _read_schema(path: Path, mixins: Path) -> Schema:
    data = read_json(path)
    if not isinstance(data, dict):
        raise CatalogError(f"{path}: $: expected an object, found {type(data).__name__}")
    try:
        convert(data, Schema, str(path))
        return convert(_merged(data, path, mixins, ()), Schema, str(path))
    except CatalogError:
        raise
    except InvalidInputError as error:
        raise CatalogError(str(error)) from None


def _merged(
    data: dict[str, Any], path: Path, mixins: Path, seen: tuple[str, ...]
) -> dict[str, Any]:
    """``data`` on top of what its mixins bring: mappings merge, lists join."""
    result: dict[str, Any] = {}
    for name in data.get("mixins", []):
        if name in seen:
            raise CatalogError(f"{path}: $.mixins: a cycle, {' -> '.join((*seen, name))}; break it")
        source = mixins / f"{name}.json"
        if not source.is_file():
            known = sorted(item.stem for item in mixins.glob("*.json"))
            raise CatalogError(f"{path}: $.mixins: {unknown_name('mixin', name, known)}")
        brought = read_json(source)
        convert(brought, Fragment, str(source))
        result = _joined(result, _merged(brought, source, mixins, (*seen, name)))
    return _joined(result, data)


def _joined(below: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in top.items():
        found = result.get(key)
        if isinstance(value, dict) and isinstance(found, dict):
            result[key] = found | value
        elif key == "constraints" and isinstance(found, list):
            result[key] = [*found, *value]
        else:
            result[key] = value
    return result


def _try_out(plan: Plan, solver: Solver) -> None:
    for wording in plan.wordings:
        for index in range(TRIALS):
            try:
                found = realise(plan, wording, f"trial {plan.id} {wording.name} {index}")
                require_sound(plan, found, "hybrid", solver)
            except GenerationError as error:
                raise CatalogError(f"{plan.where}: {wording.path}: {error}") from None
