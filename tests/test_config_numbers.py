"""No parameter is NaN or infinite, with a range or without one: NaN fails every comparison, and so every limit."""

from dataclasses import dataclass

import pytest

from headway.config import Config, parameter
from headway.errors import ConfigError
from headway.stages.gate import GateConfig


@dataclass(frozen=True)
class Free(Config):
    number: float = parameter(1.0, "any number")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match="number"):
        Free(number=value)
    with pytest.raises(ConfigError, match="max_speed_mps"):
        GateConfig(max_speed_mps=value)
