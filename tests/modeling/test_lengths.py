from __future__ import annotations

import msgspec

from tests.modeling.tiny import experiment
from trace_pipeline.modeling.base.base_models import BaseModel, load_tokenizer
from trace_pipeline.modeling.base.lengths import lengths_for
from trace_pipeline.modeling.base.prompts import Prompt


def test_lengths_are_counted_with_the_experiments_prompt_and_limits(base: BaseModel) -> None:
    chosen = experiment()
    model = msgspec.structs.replace(chosen.model, reference=base.reference)
    lengths = lengths_for(msgspec.structs.replace(chosen, model=model))
    prompt = Prompt(chosen.prompt, load_tokenizer(base))
    question, trace = "How many?", "expert: arithmetic\ntrace: []\n"
    assert lengths.prompt(question) == len(prompt.prompt_ids(question))
    assert lengths.target(trace) == len(prompt.target_ids(trace))
    assert (lengths.max_len, lengths.max_tokens) == (
        chosen.sft.max_len,
        chosen.decoding.max_tokens,
    )


def test_where_longer_ones_are_cut_on_purpose_no_length_is_too_long(base: BaseModel) -> None:
    chosen = experiment()
    cut = msgspec.structs.replace(
        chosen,
        model=msgspec.structs.replace(chosen.model, reference=base.reference),
        sft=msgspec.structs.replace(chosen.sft, overflow="cut"),
        decoding=msgspec.structs.replace(chosen.decoding, overflow="cut"),
    )
    assert (lengths_for(cut).max_len, lengths_for(cut).max_tokens) == (None, None)
