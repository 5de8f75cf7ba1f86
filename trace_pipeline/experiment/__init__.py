"""Experiment files: everything that defines one experiment, typed and validated.

An experiment is ``experiments/<name>.yaml``. A file may inherit from another
(``inherits: base``) and then says only what differs; mappings merge key by key,
anything else replaces. Unknown fields, wrong types and values out of range are
refused with the file, the path inside it, what was expected and what was found.
"""

from trace_pipeline.experiment.catalogue import (
    Difference,
    differences,
    differences_from_parent,
    lineage,
    parent_of,
)
from trace_pipeline.experiment.choices import as_before_choices
from trace_pipeline.experiment.data import (
    DEFAULT_MIX,
    EXPERTS,
    MIXES,
    DataConfig,
    Gsm8kConfig,
    HeldOutConfig,
)
from trace_pipeline.experiment.evaluation import (
    BaselineConfig,
    DecodingConfig,
    EvalConfig,
)
from trace_pipeline.experiment.experiment import (
    Experiment,
    ExperimentError,
    available_experiments,
    experiment_from_dict,
    flatten,
    load_experiment,
)
from trace_pipeline.experiment.model import (
    ModelConfig,
    PromptConfig,
)
from trace_pipeline.experiment.rl import (
    CollapseConfig,
    ExpertIterationConfig,
    RewardConfig,
    RlConfig,
    SolverConfig,
)
from trace_pipeline.experiment.sft import (
    LoraConfig,
    SftConfig,
)

__all__ = [
    "DEFAULT_MIX",
    "EXPERTS",
    "MIXES",
    "BaselineConfig",
    "CollapseConfig",
    "DataConfig",
    "DecodingConfig",
    "Difference",
    "EvalConfig",
    "Experiment",
    "ExperimentError",
    "ExpertIterationConfig",
    "Gsm8kConfig",
    "HeldOutConfig",
    "LoraConfig",
    "ModelConfig",
    "PromptConfig",
    "RewardConfig",
    "RlConfig",
    "SftConfig",
    "SolverConfig",
    "as_before_choices",
    "available_experiments",
    "differences",
    "differences_from_parent",
    "experiment_from_dict",
    "flatten",
    "lineage",
    "load_experiment",
    "parent_of",
]
