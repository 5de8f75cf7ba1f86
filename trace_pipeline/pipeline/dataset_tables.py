"""What a dataset's statistics look like on its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import dagster as dg

from trace_pipeline.generation import Example, Masker, dataset_statistics
from trace_pipeline.pipeline import metadata
from trace_pipeline.pipeline.workbench import Workbench


def statistics_metadata(
    bench: Workbench, examples: Iterable[Example]
) -> dict[str, dg.MetadataValue]:
    """The notebook's figures of a dataset as tables: forms, targets, chains, classes.

    One sentence where there are no examples.
    """
    chosen = list(examples)
    if not chosen:
        return {"statistics": dg.MetadataValue.text("none: data.train asks for no examples")}
    found = dataset_statistics(
        chosen, Masker.of(bench.catalog), token_counter(bench.experiment.model.reference)
    )
    return {
        "question_forms": metadata.table(
            [
                "expert",
                "training examples",
                "distinct without numbers and names",
                "distinct without things too",
                "examples per form",
            ],
            [
                [name, forms.examples, forms.skeletons, forms.forms, forms.per_form]
                for name, forms in found.forms.items()
            ],
        ),
        "query_targets": metadata.table(
            ["target", "training examples"], found.query_targets.items()
        ),
        "chain_lengths": metadata.table(
            ["steps in the trace", "training examples"], found.chain_lengths.items()
        ),
        "composition_classes": metadata.table(
            [
                "experts of the trace",
                "training examples",
                "median steps",
                "most steps",
                "median tokens",
                "most tokens",
            ],
            [
                [
                    name,
                    kind.examples,
                    kind.median_steps,
                    kind.longest_steps,
                    "-" if kind.median_tokens is None else kind.median_tokens,
                    "-" if kind.longest_tokens is None else kind.longest_tokens,
                ]
                for name, kind in found.classes.items()
            ],
        ),
    }


def token_counter(reference: str) -> Callable[[str], int] | None:
    """Counts tokens as the base model ``reference`` does; None where it is not at hand yet.

    Nothing is downloaded for the sake of a table.
    """
    from tokenizers import Tokenizer

    path = _tokenizer_file(reference)
    if path is None or not path.is_file():
        return None
    tokenizer = Tokenizer.from_file(str(path))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _tokenizer_file(reference: str) -> Path | None:
    from trace_pipeline.modeling.base.base_models import EMBEDDED
    from trace_pipeline.modeling.base.embedded import embedded_folder
    from trace_pipeline.store import default_cache

    if reference == EMBEDDED:
        return embedded_folder(default_cache()) / "tokenizer.json"
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return folder / "tokenizer.json"
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(reference, "tokenizer.json")
    return Path(cached) if isinstance(cached, str) else None
