"""What a GPU gives: SFT and decoding speed against the card's matmul rate and transformers.

``python -m benchmarks.gpu --out gpu.json`` needs torch, transformers and what modeling needs
(safetensors, numpy, pyyaml, msgspec, inflection), nothing of Dagster, MLflow or pandas. Without
``--base`` it builds a model of SmolLM2-135M's shape with random weights, so that nothing is
downloaded: speed does not depend on what the weights say, only completions then all run to
``--max-tokens``. One JSON comes out; on a machine without a GPU it measures the CPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SMOL = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
TINY = {"vocab_size": 512}
MATMUL, DECODING = 0.35, 3.0
"""Bounds on a GPU: share of its matmul rate in SFT; decoding against transformers.generate."""
WARM_UP = 3
"""Steps whose time does not count."""
PEER_BATCH = 32


def matmul_rate(device: Any, dtype: Any, size: int) -> float:
    """FLOP/s of a large matrix product."""
    import torch

    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(8):
        _wait(device)
        start = time.perf_counter()
        left @ right
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds[2:])


def sft(base: Any, data: Sequence[Any], options: argparse.Namespace, rate: float) -> dict[str, Any]:
    """A full fine-tune: tokens/s and the share of the matmul rate, 6 FLOPs per parameter."""
    from trace_pipeline.modeling import train_sft

    steps: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        info = train_sft(
            _experiment(options), base, data, Path(folder), lambda _, metrics: steps.append(metrics)
        )
    measured = steps[WARM_UP:] or steps
    speed = sum(s["tokens"] for s in measured) / sum(s["seconds"] for s in measured)
    return {
        "tokens_per_second": speed,
        "share_of_matmul": 6 * info.parameters_trained * speed / rate,
        "peak_memory_gib": steps[-1]["peak_memory_gib"],
        "parameters": info.parameters_trained,
        "steps": len(measured),
        "first_step_seconds": steps[0]["seconds"],
    }


def decoding(base: Any, questions: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Greedy completions per second, ours and transformers', in turns; share of equal texts."""
    from trace_pipeline.modeling.decoding.decoder import Decoder
    from trace_pipeline.modeling.storage.checkpoints import load_base_policy

    experiment = _experiment(options)
    policy = load_base_policy(base, experiment.prompt, options.dtype, options.device)
    decoder = Decoder(policy, experiment.decoding)
    runs: dict[str, list[float]] = {"ours": [], "transformers": []}
    texts: dict[str, list[list[int]]] = {}
    for turn in range(options.rounds + 1):  # the first warms up
        for name in runs:
            _wait(policy.model.device)
            start = time.perf_counter()
            if name == "ours":
                texts[name] = [c.ids for c in decoder.decode(questions)]
            else:
                texts[name] = _generate(policy, questions, options.max_tokens)
            _wait(policy.model.device)
            if turn:
                runs[name].append(len(questions) / (time.perf_counter() - start))
    same = sum(a == b for a, b in zip(*texts.values(), strict=True))
    ratios = [a / b for a, b in zip(runs["ours"], runs["transformers"], strict=True)]
    return {
        "traces_per_second": statistics.median(runs["ours"]),
        "transformers_traces_per_second": statistics.median(runs["transformers"]),
        "ratio": statistics.median(ratios),
        "same_text_share": same / len(questions),
        "tokens": sum(map(len, texts["ours"])),
    }


def _generate(policy: Any, questions: Sequence[str], max_tokens: int) -> list[list[int]]:
    """What ``transformers.generate`` writes, in batches by length, up to the end token."""
    import torch

    end, prompt = policy.prompt.end_id, policy.prompt
    prompts = [prompt.prompt_ids(question) for question in questions]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), PEER_BATCH):
        chosen = order[start : start + PEER_BATCH]
        width = max(len(prompts[i]) for i in chosen)
        ids = torch.tensor([[end] * (width - len(prompts[i])) + prompts[i] for i in chosen])
        mask = torch.tensor(
            [[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in chosen]
        )
        with torch.inference_mode():
            output = policy.model.generate(
                input_ids=ids.to(policy.model.device),
                attention_mask=mask.to(policy.model.device),
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=end,
                eos_token_id=end,
            )
        for index, row in zip(chosen, output[:, width:].tolist(), strict=True):
            found[index] = row[: row.index(end) + 1] if end in row else row
    return [found[index] for index in range(len(prompts))]


def _experiment(options: argparse.Namespace) -> Any:
    from trace_pipeline.experiment import experiment_from_dict

    return experiment_from_dict(
        {
            "name": "gpu",
            "model": {"device": options.device, "dtype": options.dtype},
            "sft": {
                "trainable": "all",
                "batch_tokens": options.batch_tokens,
                "max_len": 2048,  # the tokenizer of the random model has one token a byte
                "compile": options.compile,
                "save_every": 10**6,
                "learning_rate": 1e-5,
            },
            "decoding": {"max_tokens": options.max_tokens, "batch_size": options.batch_size},
        }
    )


def _wait(device: Any) -> None:
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def main(arguments: Sequence[str] | None = None) -> int:
    import torch
    import transformers

    from tests.modeling.tiny import make_tiny_model
    from trace_pipeline.generation import Catalog, Generator
    from trace_pipeline.modeling import resolve_base
    from trace_pipeline.modeling.base.devices import resolve_device, resolve_dtype

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    parser.add_argument("--base", help="base model; random weights if absent")
    parser.add_argument("--tiny", action="store_true", help="a tiny model: does it run at all?")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--traces", type=int, default=2048, help="to train on")
    parser.add_argument("--prompts", type=int, default=128, help="to decode")
    parser.add_argument("--batch-tokens", type=int, default=16_384)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=200)
    parser.add_argument(
        "--compile", choices=["auto", "never", "always"], help="default: always on a GPU"
    )
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device)
    on_gpu = device.type == "cuda"
    options.compile = options.compile or ("always" if on_gpu else "never")
    data = list(Generator(Catalog.load("schemas", "vocab")).sample(options.traces))
    rate = matmul_rate(device, dtype, 8192 if on_gpu else 1024)
    with tempfile.TemporaryDirectory() as folder:
        reference = options.base
        if reference is None:
            shape = TINY if options.tiny else SMOL
            reference = str(make_tiny_model(Path(folder) / "random", **shape))
        base = resolve_base(reference)
        found = {
            "device": torch.cuda.get_device_name(device) if on_gpu else "CPU",
            "dtype": str(dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "model": options.base or ("tiny, random" if options.tiny else "135M, random"),
            "matmul_flops": rate,
            "sft": sft(base, data, options, rate),
            "decoding": decoding(base, [e.question for e in data[: options.prompts]], options),
        }
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    if not on_gpu:
        return 0
    missed = found["sft"]["share_of_matmul"] < MATMUL or found["decoding"]["ratio"] < DECODING
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
