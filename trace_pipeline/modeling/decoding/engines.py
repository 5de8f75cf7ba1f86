"""The decoding engine that an experiment names, behind one interface."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from trace_pipeline.experiment import DecodingConfig
from trace_pipeline.modeling.decoding.decoder import (
    Completion,
    Decoder,
    OnDone,
    OnProgress,
    Sampling,
)
from trace_pipeline.modeling.storage.checkpoints import Policy
from trace_pipeline.solver import Solver
from trace_pipeline.validation import InvalidInputError


class Engine(Protocol):
    """Writes completions; :meth:`Decoder.decode` says how."""

    def decode(
        self,
        questions: Sequence[str],
        sampling: Sampling | None = None,
        on_progress: OnProgress | None = None,
        on_done: OnDone | None = None,
    ) -> list[Completion]:
        """Completions of ``questions``, in order."""


def open_engine(policy: Policy, config: DecodingConfig, solver: Solver | None = None) -> Engine:
    """The engine that ``config.engine`` names; ``solver`` as of :class:`Decoder`.

    Raises:
        InvalidInputError: vLLM is asked for and not installed.
    """
    if config.engine == "vllm":
        return VllmDecoder(policy, config)
    return Decoder(policy, config, solver)


class VllmDecoder:
    """Decodes with vLLM: the policy is exported once to a folder, which vLLM serves.

    Its weights are those of the moment it was made, so it serves evaluation and ``ask``, not RL.
    Prompts share their prefix by vLLM's own cache. Its numerics differ from the native engine's;
    texts may differ where two tokens are about equally likely, and draws always do.
    """

    def __init__(self, policy: Policy, config: DecodingConfig) -> None:
        self._vllm = _import_vllm()
        self._prompt, self._config = policy.prompt, config
        dtype = str(policy.model.dtype).removeprefix("torch.")
        with tempfile.TemporaryDirectory(prefix="trace_pipeline_") as name:
            folder = Path(name) / "model"
            policy.model.save_pretrained(folder)
            policy.prompt.tokenizer.save_pretrained(folder)
            self._engine = self._vllm.LLM(
                model=str(folder), dtype=dtype, enable_prefix_caching=True, trust_remote_code=False
            )

    def decode(
        self,
        questions: Sequence[str],
        sampling: Sampling | None = None,
        on_progress: OnProgress | None = None,
        on_done: OnDone | None = None,
    ) -> list[Completion]:
        """See :meth:`Decoder.decode`."""
        samples = sampling.samples if sampling else 1
        if sampling is not None and len(sampling.seeds) != len(questions) * samples:
            raise ValueError(f"{len(questions)} questions of {samples} samples need as many seeds")
        prompts = [self._prompt.prompt_ids(q) for q in questions for _ in range(samples)]
        requests = [{"prompt_token_ids": ids} for ids in prompts]
        parameters = [self._parameters(sampling, index) for index in range(len(prompts))]
        start = time.perf_counter()
        outputs = self._engine.generate(requests, parameters, use_tqdm=False)
        seconds = time.perf_counter() - start
        each = seconds / max(1, sum(len(output.outputs[0].token_ids) for output in outputs))
        found = [
            self._completion(ids, output.outputs[0], each)
            for ids, output in zip(prompts, outputs, strict=True)
        ]
        if on_done:
            for place, completion in enumerate(found):
                on_done(place, completion)
        if on_progress:
            on_progress(len(found), len(found), sum(c.tokens for c in found))
        return found

    def _parameters(self, sampling: Sampling | None, index: int) -> Any:
        shape: dict[str, Any] = {"temperature": 0.0}
        if sampling is not None:
            shape = {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": sampling.seeds[index] % 2**63,
            }
        return self._vllm.SamplingParams(
            max_tokens=self._config.max_tokens,
            stop_token_ids=sorted(self._prompt.stop_ids),
            logprobs=0,
            **shape,
        )

    def _completion(self, prompt: list[int], output: Any, each: float) -> Completion:
        ids = list(output.token_ids)
        return Completion(
            text=self._prompt.decode(ids),
            tokens=len(ids),
            clipped=output.finish_reason == "length",
            seconds=each * len(ids),
            logprob=float(output.cumulative_logprob),
            prompt_ids=prompt,
            ids=ids,
            forced=[False] * len(ids),
        )


def _import_vllm() -> Any:
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise InvalidInputError(
            f"decoding.engine: vllm is not installed ({error}); install it on a machine with a GPU "
            "(pip install vllm), or use decoding.engine: native"
        ) from None
