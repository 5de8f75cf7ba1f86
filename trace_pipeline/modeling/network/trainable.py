"""Which parameters of a model are trained."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from msgspec import Struct

from trace_pipeline.modeling.network.forward import frozen_layers
from trace_pipeline.validation import InvalidInputError


class Trainable(Struct, frozen=True):
    """What was chosen for training, in numbers."""

    names: tuple[str, ...]
    """Parameters that train, in the model's order."""
    trained: int
    """Their elements."""
    total: int
    """Elements of all parameters."""


def decoder_layers(model: Any) -> torch.nn.ModuleList:
    """The transformer layers of a causal language model, lowest first.

    Raises:
        InvalidInputError: a model whose layers are not where Llama-like models have them.
    """
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, torch.nn.ModuleList):
        raise InvalidInputError(
            f"{type(model).__name__} keeps its layers in an unknown place; "
            "use sft.trainable: all, or a model of the Llama, Qwen or Mistral kind"
        )
    return layers


def untie_head(model: Any) -> None:
    """Give ``lm_head`` weights of its own.

    With tied embeddings, training the head would move the input of the frozen layers.
    """
    embeddings = model.get_input_embeddings()
    if model.lm_head.weight is embeddings.weight:
        model.lm_head.weight = torch.nn.Parameter(embeddings.weight.detach().clone())
        model.config.tie_word_embeddings = False


def select_trainable(model: Any, trainable: str, layers: int) -> Trainable:
    """Freeze all but the chosen part of ``model``.

    Frozen layers below the lowest trained one take no part in the backward pass:
    nothing that they compute requires a gradient.

    Args:
        model: a causal language model with an ``lm_head``.
        trainable: ``last_layers`` (the top ``layers`` and an untied head), ``all``, or ``lora``
            (the adapters that the model has already; nothing is frozen or freed).
        layers: number of layers from the top.

    Raises:
        InvalidInputError: more layers asked for than the model has.
    """
    if trainable == "lora":
        return _chosen(model)
    model.requires_grad_(trainable == "all")
    if trainable == "last_layers":
        stack = decoder_layers(model)
        if layers > len(stack):
            raise InvalidInputError(
                f"sft.layers: {layers} asked for, the model has {len(stack)}; lower it, "
                "or use sft.trainable: all"
            )
        untie_head(model)
        for module in (*stack[-layers:], model.lm_head):
            module.requires_grad_(True)
    return _chosen(model)


def _chosen(model: Any) -> Trainable:
    chosen = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return Trainable(
        tuple(chosen),
        sum(parameter.numel() for parameter in chosen.values()),
        sum(parameter.numel() for parameter in model.parameters()),
    )


def layers_of(names: Iterable[str]) -> set[int]:
    """The layers that tensors of these names belong to."""
    return {int(found[1]) for name in names if (found := _LAYER.search(name))}


_LAYER = re.compile(r"\blayers\.(\d+)\.")


def train_only(model: Any, names: tuple[str, ...]) -> Trainable:
    """Freeze all parameters but ``names``, as a checkpoint lists them."""
    wanted = set(names)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in wanted)
    return _chosen(model)


def training_memory(model: Any, chosen: Trainable, batch_tokens: int) -> int:
    """Estimate of what training adds to the loaded model, in bytes.

    Gradients, masters and two moments; the logits of a batch and their gradient, for the
    completions, which are at most all tokens; the activations that the layers with a gradient
    keep (under ``sft.matmul: int8`` less, so that it is an upper bound there).
    docs/results/training.md compares it with measured peaks.
    """
    config, width = model.config, model.dtype.itemsize
    mixed = width < 4
    states = chosen.trained * (width + 16 if mixed else 12)
    logits = 2 * batch_tokens * config.vocab_size * width
    # A layer keeps its input, the norms' inputs and outputs, q, k, v before and after they are
    # unfolded, the attention's output twice, and four tensors of the MLP.
    kept = 12 * config.hidden_size + 4 * getattr(
        config, "intermediate_size", 4 * config.hidden_size
    )
    layers = config.num_hidden_layers - frozen_layers(model)
    activations = layers * batch_tokens * kept * width
    return int(states + logits + activations)
