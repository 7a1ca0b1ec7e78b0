"""Arithmetic that a person writes, evaluated and never executed."""

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

OPERATIONS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "max": np.maximum,
    "min": np.minimum,
    "round": np.round,
    "sqrt": np.sqrt,
}


class Function:
    """An expression in `value`, as "min(value, 50)"; arithmetic only, nothing is executed.

    Raises:
        ValueError: anything but numbers, `value`, + - * / **, and the known functions.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, RecursionError, MemoryError, ValueError):
            raise ValueError(f"{text!r} is no expression") from None
        self._evaluate(self.tree, np.ones(1))

    def __call__(self, natural: np.ndarray) -> np.ndarray:
        """Values [N] -> [N]."""
        return self._evaluate(self.tree, natural)

    def __repr__(self) -> str:
        return f"function:{self.text}"

    def _evaluate(self, node: ast.AST, value: np.ndarray) -> Any:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is used
            match node:
                case ast.Constant(value=int() | float() as number):
                    return np.float64(number)
                case ast.Name(id="value"):
                    return value
                case ast.BinOp() if type(node.op) in OPERATIONS:
                    sides = (self._evaluate(side, value) for side in (node.left, node.right))
                    return OPERATIONS[type(node.op)](*sides)
                case ast.UnaryOp() if type(node.op) in OPERATIONS:
                    return OPERATIONS[type(node.op)](self._evaluate(node.operand, value))
                case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS and not node.keywords:
                    try:
                        return FUNCTIONS[name](*(self._evaluate(a, value) for a in node.args))
                    except (TypeError, ValueError):
                        raise ValueError(f"{name} with {len(node.args)} arguments") from None
        known = ", ".join(FUNCTIONS)
        raise ValueError(f"{ast.unparse(node)!r} is not read; numbers, value, + - * / **, {known}")
