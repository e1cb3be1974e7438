"""Which of the notebook's names a cell needs: those that it reads before it binds them itself."""

from __future__ import annotations

import ast
import dis
from collections.abc import Sequence
from types import CodeType

from huey_jupyter.shipping.baggage import lines_of


def needed_names(tree: ast.Module) -> set[str]:
    """Return the names that a cell may read before it has bound them.

    What it binds only perhaps, in a branch or behind something that may fail, counts as not bound.
    """
    reads: set[str] = set()
    _run(tree.body, set(), reads)
    return reads


def _run(statements: Sequence[ast.stmt], bound: set[str], reads: set[str]) -> set[str]:
    """Note what statements read; return what is bound behind them."""
    for statement in statements:
        bound = _step(statement, bound, reads)
    return bound


def _step(statement: ast.stmt, bound: set[str], reads: set[str]) -> set[str]:
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            _read(test, bound, reads)
            return _run(body, bound, reads) & _run(orelse, bound, reads)
        case ast.For() | ast.AsyncFor():
            _read(statement.iter, bound, reads)
            inside = bound | _targets(statement.target)
            _run(statement.body, inside, reads)
            return _run(statement.orelse, inside, reads)
        case ast.While(test=test, body=body, orelse=orelse):
            _read(test, bound, reads)
            _run(body, bound, reads)
            return _run(orelse, bound, reads) & bound
        case ast.With() | ast.AsyncWith():
            for item in statement.items:
                _read(item.context_expr, bound, reads)
                bound = bound | _targets(item.optional_vars)
            return _run(statement.body, bound, reads)
        case ast.Try() | ast.TryStar():
            return _try(statement, bound, reads)
        case ast.Match():
            _simple(statement, bound, reads)
            return bound
    return _simple(statement, bound, reads)


def _try(statement: ast.Try | ast.TryStar, bound: set[str], reads: set[str]) -> set[str]:
    inside = _run(statement.body, bound, reads)
    _run(statement.orelse, inside, reads)
    for handler in statement.handlers:
        if handler.type is not None:
            _read(handler.type, bound, reads)
        _run(handler.body, bound | {handler.name or ""}, reads)
    return _run(statement.finalbody, bound, reads)


def _simple(statement: ast.stmt, bound: set[str], reads: set[str]) -> set[str]:
    code = _compiled(ast.Module([statement], []), "exec")
    own = {getattr(statement, "name", "")}  # a function may call itself
    reads |= set(lines_of(code)) - bound - own
    return bound | _stored(code)


def _read(expression: ast.expr, bound: set[str], reads: set[str]) -> None:
    reads |= set(lines_of(_compiled(ast.Expression(expression), "eval"))) - bound


def _targets(target: ast.expr | None) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name)} if target else set()


def _stored(code: CodeType) -> set[str]:
    return {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_NAME"}


def _compiled(tree: ast.AST, mode: str) -> CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compiled: CodeType = compile(tree, "<cell>", mode, flags, dont_inherit=True)  # type: ignore[call-overload]
    return compiled
