from __future__ import annotations

import json
import re
from pathlib import Path

from trace_pipeline.generation import Catalog, audit

ROOT = Path(__file__).parents[2]


def test_the_guides_example_is_a_sound_schema(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "add-a-schema.md").read_text()
    (example,) = re.findall(r"```json\n(\{.*?)```", guide, re.DOTALL)
    folder = tmp_path / "schemas" / "arithmetic"
    folder.mkdir(parents=True)
    (folder / "boxes.json").write_text(json.dumps(json.loads(example)))
    (row,) = audit(Catalog.load(tmp_path / "schemas", ROOT / "vocab"), samples=80).rows
    assert row.findings == {}, row.quoted


def test_the_guide_names_every_field() -> None:
    guide = (ROOT / "docs" / "add-a-schema.md").read_text()
    definitions = json.loads((ROOT / "schemas" / "schema.json").read_text())["$defs"]
    fields = set(definitions["Schema"]["properties"]) | set(definitions["Phrasing"]["properties"])
    for name in fields - {"subtraces", "texts", "$schema"}:
        assert f"`{name}`" in guide
