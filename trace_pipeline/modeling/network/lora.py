"""Low-rank adapters (peft): put into a model, and merged into its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from trace_pipeline.experiment import LoraConfig
from trace_pipeline.validation import InvalidInputError

_NAME = re.compile(r"(.+)\.lora_([AB])\.default\.weight")


def add_adapters(model: Any, config: LoraConfig, seed: int = 0) -> None:
    """Put adapters into ``model``, in place; they alone are trained from here on.

    Args:
        model: a causal language model; it computes what it did before until they are trained.
        config: rank, scale and modules.
        seed: of the first halves' random weights.

    Raises:
        InvalidInputError: a target that is no linear module of the model's layers.
    """
    from peft import LoraConfig as PeftConfig
    from peft import inject_adapter_in_model

    linear = {
        name.rsplit(".", 1)[-1]
        for name, module in model.base_model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    unknown = sorted(set(config.targets) - linear)
    if unknown:
        raise InvalidInputError(
            f"sft.lora.targets: the model has no linear module {unknown[0]!r}; "
            f"there are: {', '.join(sorted(linear))}"
        )
    settings = PeftConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=0.0,
        target_modules=list(config.targets),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(settings, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(_NAME.fullmatch(name) is not None)
    model.eval()


def merge_adapters(model: Any) -> None:
    """Add all adapters to the weights that they belong to, and take them out, in place."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    del model.peft_config


def weight_changes(
    tensors: Mapping[str, torch.Tensor], config: LoraConfig
) -> dict[str, torch.Tensor]:
    """What adapters add to each weight: module name -> (out, in) float32."""
    modules = {found[1] for name in tensors if (found := _NAME.fullmatch(name))}
    scale = config.alpha / config.rank
    return {
        module: scale
        * tensors[f"{module}.lora_B.default.weight"].float()
        @ tensors[f"{module}.lora_A.default.weight"].float()
        for module in sorted(modules)
    }
