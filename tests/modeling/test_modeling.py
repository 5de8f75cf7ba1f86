from __future__ import annotations

import subprocess
import sys

import pytest

import trace_pipeline.modeling as modeling


def test_every_public_name_is_there() -> None:
    for name in modeling.__all__:
        assert getattr(modeling, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = modeling.nothing


def test_importing_the_package_loads_no_torch() -> None:
    program = "import sys, trace_pipeline.modeling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
