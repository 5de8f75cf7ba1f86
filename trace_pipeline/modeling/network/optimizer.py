"""AdamW on float32 masters of parameters that compute in a lower precision."""

from __future__ import annotations

import math
from typing import Any

import torch

BETAS = (0.9, 0.95)
"""Short runs with small batches: the second moment must adapt within tens of steps."""


class MasterAdamW:
    """AdamW whose weights, gradients and moments are float32, whatever the model computes in.

    A bfloat16 weight has 8 bits of mantissa: updates under 1/256 of it would be lost. So the
    masters are updated and rounded into the model. A float32 model is its own master.
    """

    def __init__(self, model: Any, names: tuple[str, ...], weight_decay: float = 0.0) -> None:
        parameters = dict(model.named_parameters())
        self._parameters: dict[str, torch.nn.Parameter] = {n: parameters[n] for n in names}
        self.masters: dict[str, torch.Tensor] = {
            name: p if p.dtype == torch.float32 else p.detach().float()
            for name, p in self._parameters.items()
        }
        matrices = [m for m in self.masters.values() if m.ndim >= 2]
        vectors = [m for m in self.masters.values() if m.ndim < 2]
        self._adamw = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=BETAS,
            fused=True,
        )

    def accumulate(self) -> None:
        """Add the gradients of the last backward pass to the float32 ones, and drop them."""
        fresh: list[tuple[torch.Tensor, torch.Tensor]] = []
        more: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name, parameter in self._parameters.items():
            master = self.masters[name]
            if master is parameter or parameter.grad is None:
                continue
            if master.grad is None:
                master.grad = torch.empty_like(master)
                fresh.append((master.grad, parameter.grad))
            else:
                more.append((master.grad, parameter.grad))
            parameter.grad = None
        # Of all tensors at once: a GPU would wait for the launches of so many small copies.
        for pairs, into in ((fresh, torch._foreach_copy_), (more, torch._foreach_add_)):
            if pairs:
                into([ours for ours, _ in pairs], [theirs for _, theirs in pairs])

    def gradients(self) -> list[torch.Tensor]:
        """The float32 gradients of all parameters, in their order; zeros where none came."""
        found = []
        for master in self.masters.values():
            if master.grad is None:
                master.grad = torch.zeros_like(master)
            found.append(master.grad)
        return found

    def step(self, learning_rate: float, max_grad_norm: float) -> float:
        """Clip, update the masters, round them into the model; the norm before clipping.

        Nothing is updated when the norm is not finite.
        """
        gradients = [m for m in self.masters.values() if m.grad is not None]
        norm = float(torch.nn.utils.clip_grad_norm_(gradients, max_grad_norm))
        if math.isfinite(norm):
            for group in self._adamw.param_groups:
                group["lr"] = learning_rate
            self._adamw.step()
            self._round_into_model()
        self._adamw.zero_grad(set_to_none=True)
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Masters, moments and step counts, by name."""
        tensors: dict[str, torch.Tensor] = {}
        for name, master in self.masters.items():
            tensors[f"master/{name}"] = master.detach()
            for key, value in self._adamw.state.get(master, {}).items():
                tensors[f"{key}/{name}"] = value
        return tensors

    @torch.no_grad()
    def load_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what :meth:`state` gave, and round the masters into the model."""
        for name, master in self.masters.items():
            master.copy_(tensors[f"master/{name}"])
            state = {
                key: tensors[f"{key}/{name}"].to(master.device).clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"{key}/{name}" in tensors
            }
            if state:
                self._adamw.state[master] = state
        self._round_into_model()

    @torch.no_grad()
    def _round_into_model(self) -> None:
        own = [n for n, p in self._parameters.items() if self.masters[n] is not p]
        if own:
            torch._foreach_copy_([self._parameters[n] for n in own], [self.masters[n] for n in own])
