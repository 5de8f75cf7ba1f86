"""The JSON Schema of schema files, for editors; derived from the types in ``model``."""

from __future__ import annotations

import json

import msgspec

from trace_pipeline.generation.model import Schema


def schema_text() -> str:
    """The content of ``schemas/schema.json``."""
    return json.dumps(msgspec.json.schema(Schema), indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
