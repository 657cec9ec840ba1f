"""Small bugs for `mutation.py`: what may be changed in a module, one node at a time.

Comparison and arithmetic operators, and/or, negated conditions, numbers plus one, True and False,
`return None`, removed statements. Texts, annotations, decorators and `raise` are left alone.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
TURNED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
Mutant = tuple[str, int, int, bool, Callable[[], None]]


def mutants(tree: Any, around: int = 0, body: bool = False) -> Iterator[Mutant]:
    """What, line, line of the outermost function around it (0: none), whether it stands in that
    function's body, and how to make it, in the tree itself.
    """
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or isinstance(node, (ast.Raise, ast.JoinedStr)):
                continue
            line, inside = around, body
            if isinstance(node, ast.FunctionDef) and not around:
                line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            elif isinstance(tree, ast.FunctionDef) and not body:
                inside = name == "body"

            def put(new: ast.AST, name: str = name, place: int | None = place) -> None:
                if place is None:
                    setattr(tree, name, new)
                else:
                    getattr(tree, name)[place] = new

            for what, new in changed(node):
                at = getattr(node, "lineno", 0)
                yield what, at, line, inside, lambda new=new, put=put: put(new)
            yield from mutants(node, line, inside)


def changed(node: Any) -> Iterator[tuple[str, ast.AST]]:
    """What the node may become."""
    new, was = copy.deepcopy(node), ast.unparse(node) if hasattr(node, "lineno") else ""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        new.ops = [SWAPS[type(node.ops[0])]()]
        yield f"{was} -> {ast.unparse(new)}", new
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in SWAPS:
        new.op = SWAPS[type(node.op)]()
        yield f"{was} -> {ast.unparse(new)}", new
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield f"{was} -> {value}", ast.Constant(value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"{was} -> {ast.unparse(node.operand)}", node.operand
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        test = node.test
        turned = isinstance(test, ast.Compare) and isinstance(test.ops[0], TURNED)
        negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if not turned and not negated and ast.unparse(test) != "TYPE_CHECKING":
            new.test = ast.UnaryOp(ast.Not(), test)
            yield f"if {ast.unparse(test)} -> if not ...", new
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield f"{was} -> return None", ast.Return(ast.Constant(None))
    elif (
        isinstance(node, (ast.Break, ast.Continue))
        or (isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield)))
        or (isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Name, ast.Tuple)))
    ):
        yield f"{was} -> pass", ast.Pass()
