"""Base models by reference: the embedded one, a hub id, or a local folder."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch
from msgspec import Struct

from trace_pipeline.modeling.base.devices import resolve_device, resolve_dtype
from trace_pipeline.modeling.base.embedded import embedded_folder
from trace_pipeline.modeling.base.weights import weight_files, weights_sha256
from trace_pipeline.store import default_cache
from trace_pipeline.validation import InvalidInputError

log = logging.getLogger(__name__)
T = TypeVar("T")

EMBEDDED = "embedded"
HUB_SECONDS = 5.0
"""Time in which the hub must answer; without network the attempt ends after it."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt"]


class BaseModel(Struct, frozen=True):
    """A base model on this machine."""

    reference: str
    """What the experiment calls it."""
    folder: Path
    """Config, tokenizer and safetensors weights."""
    sha256: str
    """Over the tensors; deltas are bound to it."""


def resolve_base(reference: str, cache_dir: Path | None = None) -> BaseModel:
    """Find, unpack or download a base model.

    Args:
        reference: ``embedded``, a hub id (``owner/name``) or a local folder.
        cache_dir: where the embedded model is unpacked; ``TRACE_PIPELINE_CACHE`` or
            ``~/.cache/trace_pipeline`` by default. The hub has a cache of its own.

    Raises:
        InvalidInputError: no such model, no network, no safetensors weights.
    """
    if reference == EMBEDDED:
        folder = embedded_folder(cache_dir or default_cache())
    elif Path(reference).expanduser().is_dir():
        folder = Path(reference).expanduser().resolve()
        if not (folder / "config.json").is_file():
            raise InvalidInputError(
                f"base model {reference!r}: the folder has no config.json; name a folder in the "
                "format of transformers (config.json, tokenizer, *.safetensors)"
            )
    elif _HUB_ID.fullmatch(reference):
        folder = _from_hub(reference)
    else:
        raise InvalidInputError(
            f"unknown base model {reference!r}; give 'embedded', a hub id such as "
            "'HuggingFaceTB/SmolLM2-1.7B-Instruct', or a folder that exists"
        )
    return BaseModel(reference, folder, weights_sha256(folder))


def load_model(base: BaseModel, dtype: str = "auto", device: str = "auto") -> Any:
    """The causal language model of ``base``, in evaluation mode.

    Raises:
        InvalidInputError: unknown device, or a model that this package cannot train or decode.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # a bar per file drowns a log
    target = resolve_device(device)
    precision = resolve_dtype(dtype, target)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base.folder,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
            **{_dtype_argument(): precision},
        )
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(f"base model {base.reference!r}: {error}") from None
    _check_head(model, base.reference)
    return model.to(target).eval()


def load_tokenizer(base: BaseModel) -> Any:
    """The tokenizer of ``base``.

    Raises:
        InvalidInputError: the folder holds none that loads.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(
            f"base model {base.reference!r}: no usable tokenizer in {base.folder}: {error}"
        ) from None


def context_of(base: BaseModel) -> int | None:
    """The longest input of a model in tokens; None where its config names none."""
    config = msgspec.json.decode((base.folder / "config.json").read_bytes())
    longest = config.get("max_position_embeddings")
    return int(longest) if longest else None


@torch.inference_mode()
def _check_head(model: Any, reference: str) -> None:
    """Training and decoding apply ``lm_head`` themselves; it must be all there is on top."""
    head = getattr(model, "lm_head", None)
    if isinstance(head, torch.nn.Linear) and model.base_model is not model:
        ids = torch.arange(2)[None]
        hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        logits = model(input_ids=ids, use_cache=False).logits
        if torch.allclose(head(hidden).float(), logits.float(), rtol=1e-2, atol=1e-2):
            return
    raise InvalidInputError(
        f"base model {reference!r}: {type(model).__name__} does more than a linear lm_head after "
        "its last layer and is not supported; use a model of the Llama, Qwen or Mistral kind"
    )


def _dtype_argument() -> str:
    import transformers

    major, minor = (int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (4, 56) else "torch_dtype"


def _from_hub(reference: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        folder = snapshot_download(reference, allow_patterns=_HUB_FILES, local_files_only=True)
        weight_files(Path(folder))
        return Path(folder)
    except (LocalEntryNotFoundError, InvalidInputError):
        log.info("base model %s is not in the hub's cache; asking the hub", reference)
    try:
        info = _within(HUB_SECONDS, lambda: HfApi().model_info(reference, timeout=HUB_SECONDS))
        names = [sibling.rfilename for sibling in info.siblings or []]
        if not any(name.endswith(".safetensors") for name in names):
            raise InvalidInputError(
                f"base model {reference!r}: the hub has no safetensors weights of it; "
                "other formats are not loaded, because they can carry code"
            )
        return Path(snapshot_download(reference, allow_patterns=_HUB_FILES))
    except GatedRepoError:
        reason = "it is gated; accept its licence on the hub and log in with `hf auth login`"
    except RepositoryNotFoundError:
        reason = "the hub has no such model, or it is private; check the id"
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE is set and the hub's cache does not hold it"
    except (HfHubHTTPError, OSError, TimeoutError) as error:
        reason = f"the hub does not answer ({type(error).__name__}: {error})"
    except Exception as error:  # the HTTP library below the hub client differs by version
        if isinstance(error, InvalidInputError):
            raise
        reason = f"the hub does not answer ({type(error).__name__}: {error})"
    raise InvalidInputError(
        f"base model {reference!r}: {reason}. Without network, use 'embedded' or a local folder"
    )


def _within(seconds: float, function: Callable[[], T]) -> T:
    """The result of ``function``, or TimeoutError; a thread that hangs dies with the process."""
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return result[0]
