"""Supervised fine-tuning."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from trace_pipeline.experiment.fields import Count, Positive, Rate
from trace_pipeline.experiment.model import ModelConfig


class LoraConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Low-rank adapters (Hu et al., 2021, arXiv 2106.09685) of ``sft.trainable: lora``."""

    rank: Positive = 16
    alpha: Rate = 32.0
    """An adapter's output is multiplied by ``alpha / rank``."""
    targets: Annotated[tuple[str, ...], Meta(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )
    """Names of the linear modules that get one, in every layer."""


class SftConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Supervised fine-tuning."""

    continues: str = ""
    """Name of an experiment whose trained model this one goes on from, with the same base, prompt
    and trained part; the base model where it is empty."""
    average: dict[str, Rate] = {}
    """Experiments whose trained models' weights are averaged in place of training, and the share
    of each; they have the same base, prompt and trained part."""
    trainable: Literal["last_layers", "all", "lora"] = "last_layers"
    """``last_layers`` trains the top ``layers`` and an untied lm_head; the rest stays frozen."""
    lora: LoraConfig = LoraConfig()
    """The adapters under ``lora``."""
    layers: Positive = 6
    """Layers from the top that are trained under ``last_layers``."""
    epochs: Count = 1
    """0 trains nothing: the model that ``continues`` names is taken as it is, to be decoded or
    reinforced in another way."""
    order: Count = 0
    """Which order the examples come in: another number trains on the same data in another one, to
    see what luck does."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of what each attention and MLP adds to the residual stream that is dropped in training
    (Srivastava et al., 2014); it counts where the same examples are seen many times."""
    learning_rate: Rate = 2e-4
    warmup_steps: Count = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay after the warm-up, towards zero right after the last step."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    max_grad_norm: Rate = 1.0
    matmul: Literal["float", "int8", "auto"] = "float"
    """How the layers of a Llama-type model multiply on a CPU: ``int8`` rounds the factors of each
    product to bytes, ``auto`` does so where the CPU is faster at it."""
    compile: Literal["auto", "never", "always"] = "auto"
    """Whether layers of the Llama type are compiled (``torch.compile``, whole padded rows):
    ``auto`` does so on a GPU where the run is long enough to gain from it."""
    batch_tokens: Positive = 2048
    """Token budget of one batch, padding included (compiled: up to 7 places a row more)."""
    accumulate: Positive = 1
    """Batches per optimizer step."""
    max_len: Positive = 1024
    """Longest prompt plus target in tokens (NOTEBOOK, finding 9)."""
    overflow: Literal["error", "cut"] = "error"
    """A target over ``max_len`` is an error; ``cut`` is for the notebook's ablation alone."""
    save_every: Positive = 20
    """Optimizer steps between snapshots from which a killed run resumes, or more where saving would
    take over 2.5 % of the time."""
    reuse_frozen: bool = True
    """Compute what the frozen layers make of an example once, not in every epoch or evaluation."""
    evaluate_every: Count = 0
    """Steps between evaluations on the validation examples; 0 evaluates after each epoch."""
    evaluate_problems: Count = 0
    """Validation problems that an evaluation also decodes and has the solver judge."""
    select: Literal["last", "best"] = "last"
    """Whose weights are kept: the last step's, or those of the best evaluation (the solver's
    accuracy if problems are decoded, else the loss)."""


def sft_contradictions(config: SftConfig, model: ModelConfig) -> list[str]:
    """Settings that exclude each other: where, what was expected and what was found."""
    if config.matmul != "int8":
        return []
    found = []
    if config.trainable == "lora":
        found.append(
            "$.sft.matmul: int8 cannot multiply with adapters: expected float or auto, or "
            "sft.trainable: all or last_layers"
        )
    if config.compile == "always":
        found.append(
            "$.sft.compile: products of bytes (sft.matmul: int8) are not compiled: expected auto "
            "or never, found always"
        )
    if model.dtype == "bfloat16" or model.device.startswith("cuda"):
        found.append(
            "$.sft.matmul: int8 is for float32 on a CPU: expected model.device: cpu and "
            f"model.dtype: float32, found {model.device} and {model.dtype}"
        )
    return found
