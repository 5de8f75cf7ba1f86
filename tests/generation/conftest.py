from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from trace_pipeline.generation import Catalog, CatalogError

ROOT = Path(__file__).parents[2]

MINIMAL: dict[str, Any] = {
    "description": "What is left after a gift.",
    "variables": {
        "start": {"type": "int", "min": 10, "max": 60},
        "given": {"type": "int", "min": 2, "max": 9},
    },
    "draws": {"who": "people", "item": "things.toy"},
    "relations": ["account(answer, start, -given)"],
    "phrasings": [
        {
            "domain": "home",
            "texts": [
                "${who} has ${start item} and gives ${given} away. How many are left?",
                "How many of ${who's} ${start} ${item.many} are left after giving ${given} away?",
            ],
        }
    ],
    "trace": [
        {"op": "init", "var": "start", "value": "start"},
        {"op": "init", "var": "given", "value": "given"},
        {"op": "compute", "compute_op": "sub", "args": ["start", "given"], "var": "left"},
        {"op": "query", "var": "left"},
    ],
    "answer": "start - given",
}
"""A schema that works; tests break it in one place each."""

VOCAB: dict[str, Any] = {
    "people": {"kind": "people", "she": ["Ava", "Zoe"], "he": ["Ben", "James"]},
    "things": {
        "kind": "nouns",
        "lists": {"toy": ["kite", "puzzle", {"one": "toy mouse", "many": "toy mice"}]},
    },
}


class Folders:
    """A catalogue's folders under construction."""

    def __init__(self, root: Path) -> None:
        self.schemas, self.vocab = root / "schemas", root / "vocab"
        for name, content in VOCAB.items():
            self.put(self.vocab / f"{name}.json", content)

    def put(self, path: Path, content: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def schema(self, content: Any, name: str = "arithmetic/gift") -> Path:
        return self.put(self.schemas / f"{name}.json", content)

    def load(self) -> Catalog:
        return Catalog.load(self.schemas, self.vocab)

    def refuse(self, schema: Any, reason: str) -> None:
        """Assert that the schema is refused, with its file, a path inside it and the reason."""
        path = self.schema(schema)
        with pytest.raises(CatalogError, match=reason) as caught:
            self.load()
        assert str(caught.value).startswith(f"{path}: $")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load(ROOT / "schemas", ROOT / "vocab")


@pytest.fixture
def minimal() -> dict[str, Any]:
    return copy.deepcopy(MINIMAL)
