"""Trigger conditions, as the driver evaluates them (backend/src/v2/expression/expression.go, Expr.Condition).

The driver hands the condition to CEL with the executor input's fields as variables. Of CEL this
reads what kfp's compiler writes for `dsl.If`: comparisons of parameter values and literals, joined
by ``&&`` and ``||``, negated by ``!``. Anything else is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.pipelines.kfp_backend.compiled import BackendError

_TOKEN = re.compile(
    r"""\s*(?:(?P<value>inputs\.parameter_values\[(?P<name>'[^']*'|"[^"]*")\])"""
    r"""|(?P<literal>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true\b|false\b)"""
    r"""|(?P<cast>(?:int|double)(?=\())|(?P<operator>==|!=|<=|>=|<|>|&&|\|\||!|\(|\)))"""
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def holds(condition: str, parameters: Mapping[str, Any]) -> bool:
    """Evaluate a condition.

    Raises BackendError where CEL would end in an error, and the driver's pod with it.
    """
    reader = _Reader(_tokens(condition), parameters, condition)
    result = reader.either()
    if reader.tokens:
        raise BackendError(f"can't read {condition!r} from {reader.tokens[0][1]!r} on")
    if not isinstance(result, bool):
        raise BackendError(f"{condition!r} is no bool, got {result!r}")
    return result


def _tokens(condition: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while condition[at:].strip():
        match = _TOKEN.match(condition, at)
        if match is None:
            raise BackendError(f"can't read {condition!r} from {condition[at:]!r} on")
        kind = next(kind for kind in ("value", "literal", "cast", "operator") if match[kind])
        tokens.append((kind, match["name"] if kind == "value" else match[kind]))
        at = match.end()
    return tokens


class _Reader:
    def __init__(
        self, tokens: list[tuple[str, str]], parameters: Mapping[str, Any], condition: str
    ) -> None:
        self.tokens = tokens
        self.parameters = parameters
        self.condition = condition

    def either(self) -> Any:
        result = self.both()
        while self._next("||"):
            right = self.both()
            result = result or right
        return result

    def both(self) -> Any:
        result = self.comparison()
        while self._next("&&"):
            right = self.comparison()
            result = result and right
        return result

    def comparison(self) -> Any:
        left = self.operand()
        if not self.tokens or self.tokens[0][1] not in ("==", "!=", *_ORDER):
            return left
        operator, right = self.tokens.pop(0)[1], None
        right = self.operand()
        same = _kind(left) == _kind(right)
        if operator in ("==", "!="):
            return (same and left == right) == (operator == "==")
        if not same:
            raise BackendError(
                f"no such overload: {left!r} {operator} {right!r} in {self.condition!r}"
            )
        return _ORDER[operator](left, right)

    def operand(self) -> Any:
        if self._next("!"):
            return not self.operand()
        if self._next("("):
            result = self.either()
            self._expect(")")
            return result
        kind, text = self.tokens.pop(0) if self.tokens else ("", "")
        if kind == "cast":
            self._expect("(")
            result = self.either()
            self._expect(")")
            return int(float(result)) if text == "int" else float(result)
        if kind == "value":
            name = ast.literal_eval(text)
            if name not in self.parameters:
                raise BackendError(f"no such key: {name} in {self.condition!r}")
            return self.parameters[name]
        if kind == "literal":
            return text == "true" if text in ("true", "false") else ast.literal_eval(text)
        raise BackendError(f"can't read {self.condition!r}")

    def _next(self, operator: str) -> bool:
        if self.tokens and self.tokens[0] == ("operator", operator):
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._next(operator):
            raise BackendError(f"expected {operator} in {self.condition!r}")


def _kind(value: Any) -> str:
    return (
        "number"
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else type(value).__name__
    )
