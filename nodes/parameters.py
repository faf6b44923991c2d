"""headway.config dataclass <-> ROS parameters with descriptors and ranges."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

from headway.config import Config, Parameter
from headway.errors import ConfigError
from headway.node_config import FOREIGN

C = TypeVar("C", bound=Config)

_WIDEST_INT, _WIDEST_FLOAT = 2**62, 1e300


def descriptor(p: Parameter) -> ParameterDescriptor:
    """Description, range and, for texts, the choices."""
    d = ParameterDescriptor(description=p.description)
    if p.choices:
        d.additional_constraints = f"one of {', '.join(p.choices)}"
    bounded = p.minimum is not None or p.maximum is not None
    if isinstance(p.value, tuple):
        d.dynamic_typing = True  # an empty list has no type in ROS, and [0, 0, 0, 1] is a list of integers
    elif isinstance(p.value, bool):
        pass
    elif isinstance(p.value, int) and bounded:
        low = -_WIDEST_INT if p.minimum is None else int(p.minimum)
        high = _WIDEST_INT if p.maximum is None else int(p.maximum)
        d.integer_range = [IntegerRange(from_value=low, to_value=high, step=0)]
    elif isinstance(p.value, float) and bounded:
        low_f = -_WIDEST_FLOAT if p.minimum is None else float(p.minimum)
        high_f = _WIDEST_FLOAT if p.maximum is None else float(p.maximum)
        d.floating_point_range = [FloatingPointRange(from_value=low_f, to_value=high_f, step=0.0)]
    return d


def declare(node: Any, config: C) -> C:
    """Declares every leaf of `config` on `node` and returns the configuration with the values given at start.

    Raises ConfigError, in one line, for a value that does not fit and for a name that nobody knows.
    """
    known = {p.name: p for p in config.parameters()}
    given = getattr(node, "_parameter_overrides", {})
    for name in given:
        if name not in known and not name.startswith(FOREIGN):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(sorted(known))}"
            raise ConfigError(f"unknown parameter '{name}'{hint}")
    for p in known.values():
        default = list(p.value) if isinstance(p.value, tuple) else p.value
        try:
            node.declare_parameter(p.name, default, descriptor(p))
        except InvalidParameterTypeException:
            got = given[p.name].value
            hint = f" (write {got}.0)" if isinstance(p.value, float) and isinstance(got, int) else ""
            wanted = type(p.value).__name__
            raise ConfigError(f"parameter '{p.name}' = {got!r}: a value of type {wanted} is wanted{hint}") from None
        except InvalidParameterValueException:
            wanted = f"must be within [{p.minimum}, {p.maximum}]"
            raise ConfigError(f"parameter '{p.name}' = {given[p.name].value!r}: {wanted}") from None
    return read(node, config)


def read(node: Any, config: C) -> C:
    """`config` with the node's values. Raises ConfigError."""
    values = {p.name: node.get_parameter(p.name).value for p in config.parameters()}
    return config.replaced({k: v for k, v in values.items() if v is not None})


def check(config: Config, parameters: list[Any], changeable: bool) -> SetParametersResult:
    """Answer to a request to set `parameters` at run time, with the reason where it is refused."""
    known = {p.name for p in config.parameters()}
    values = {p.name: p.value for p in parameters if p.name in known}
    if values and not changeable:
        names = ", ".join(values)
        return SetParametersResult(
            successful=False, reason=f"{names}: takes effect at configure; deactivate and clean up the node first"
        )
    try:
        config.replaced(values)
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)
