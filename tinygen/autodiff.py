"""Floor 1: `grad`, reverse-mode differentiation.

It sorts the Tensors between the inputs and the output, then runs each one's rules backwards,
adding up what arrives from several sides. Without recursion, so that a graph may be deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .core import Node, Tensor, record, tensor
from .device import Array, xp
from .primitives import total_version


def grad(
    output: Tensor,
    inputs: Sequence[Tensor],
    cotangent: Any = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """d output / d input for each input, as Tensors of the inputs' shapes.

    output      a recorded Tensor; a scalar unless `cotangent` (output's shape) is given, in
                which case the result is Σ cotangent · ∂output/∂input
    create_graph  record the gradient itself, so that it can be differentiated again
    retain_graph  keep the graph for another call; as create_graph unless given. Otherwise
                the nodes that ran are used up, and using them again raises RuntimeError
    allow_unused  zeros for an input that is not recorded or that output does not depend on,
                which else is a ValueError

    Only the paths from the inputs to the output run; nothing else is touched or written. The
    results' arrays may be shared, so they are read-only (recorded ones: do not write into them).
    """
    retain = create_graph if retain_graph is None else retain_graph
    inputs = inputs if isinstance(inputs, Tensor) else list(inputs)
    _check_inputs(output, inputs, allow_unused)
    g = _cotangent(output, cotangent)
    order, reached = _between(inputs, output)
    wanted = {id(t) for t in inputs}
    with record(create_graph):
        if create_graph:
            cotangents = _tensors_back(order, reached, wanted, {id(output): g}, retain)
        else:
            arrays = _arrays_back(order, reached, wanted, {id(output): g.data}, retain)
            cotangents = {key: Tensor(a) for key, a in arrays.items()}
    return tuple([_result(cotangents, i, t, allow_unused) for i, t in enumerate(inputs)])


def _tensors_back(
    order: list[Tensor],
    reached: set[int],
    wanted: set[int],
    cotangents: dict[int, Tensor],
    retain: bool,
) -> dict[int, Tensor]:
    """Runs rules on Tensors, the last first, and adds up cotangents: by id, those wanted."""
    while order:
        y = order.pop()
        node, key = y.node, id(y)
        assert node is not None and node.args is not None
        g = cotangents[key] if key in wanted else cotangents.pop(key)
        if node.recorded_version != total_version(node.args):
            raise _changed(node)
        for i, a in enumerate(node.args):
            if id(a) in reached:
                ga, before = node.op.rule(node, i, g, y), cotangents.get(id(a))
                cotangents[id(a)] = ga if before is None else before + ga
        if not retain:
            node.args = node.saved = None
    return cotangents


def _arrays_back(
    order: list[Tensor],
    reached: set[int],
    wanted: set[int],
    cotangents: dict[int, Array],
    retain: bool,
) -> dict[int, Array]:
    """The same on arrays, by fast rules. A Tensor for each cotangent would take longer than some
    of them do, and here nobody sees it."""
    while order:
        y = order.pop()
        node, key = y.node, id(y)
        assert node is not None and node.args is not None
        g = cotangents[key] if key in wanted else cotangents.pop(key)
        arrays, version = [], 0
        for a in node.args:
            if type(a) is Tensor:
                arrays.append(a._data)
                version += a.version[0]
            else:
                arrays.append(a)
        if version != node.recorded_version:
            raise _changed(node)
        shared: dict[str, Any] = {}
        for i, a in enumerate(node.args):
            key = id(a)
            if key in reached:
                ga, before = node.op.fast_rule(node, i, g, y, arrays, shared), cotangents.get(key)
                cotangents[key] = ga if before is None else (Tensor(before) + Tensor(ga)).data
        if not retain:
            node.args = node.saved = None
    return cotangents


def _changed(node: Node) -> RuntimeError:
    return RuntimeError(
        f"grad: an argument of {node.op.shown} was changed by an optimiser step, a cast or another "
        "write after it was recorded; take all gradients first, or compute the loss anew"
    )


def _check_inputs(output: Tensor, inputs: Sequence[Tensor], allow_unused: bool) -> None:
    if isinstance(inputs, Tensor):
        raise TypeError("grad: wanted a list of inputs, got one Tensor; write [x]")
    for name, t in [("output", output), *((f"input {i}", t) for i, t in enumerate(inputs))]:
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: {name}: wanted a Tensor, got {type(t).__name__}")
        if not t.requires_grad and not (allow_unused and t is not output):
            raise ValueError(
                f"grad: {name} {t.shape} was not recorded: make its leaves with "
                "requires_grad=True, and compute outside no_grad"
            )


def _cotangent(output: Tensor, cotangent: Any) -> Tensor:
    if cotangent is None:
        if output.shape != ():
            raise ValueError(
                f"grad: wanted a scalar output or a cotangent, got an output {output.shape}"
            )
        cotangent = 1.0
    if not isinstance(cotangent, Tensor):
        cotangent = tensor(cotangent, dtype=output.dtype, device=output.device)
    if cotangent.shape != output.shape or cotangent.dtype != output.dtype:
        raise ValueError(
            f"grad: wanted a cotangent like the output, {output.shape} {output.dtype}, "
            f"got {cotangent.shape} {cotangent.dtype}"
        )
    return cotangent


def _between(inputs: Sequence[Tensor], output: Tensor) -> tuple[list[Tensor], set[int]]:
    """The Tensors to run backwards, in the order they were computed, and which ids reach inputs.

    Depth first without recursion: a Tensor is opened (its arguments pushed above it), then,
    met again, closed: by then all of its arguments are closed.
    """
    reached = {id(t) for t in inputs if t.requires_grad}
    order: list[Tensor] = []
    seen: set[int] = set()
    stack: list[Tensor | None] = [output]  # None: the Tensor below it is open
    while stack:
        t = stack.pop()
        if t is None:
            t = stack.pop()
            assert t is not None and t.node is not None and t.node.args is not None
            for a in t.node.args:
                if id(a) in reached:
                    reached.add(id(t))
                    order.append(t)
                    break
        elif t.node is not None and id(t) not in seen:
            seen.add(id(t))
            if t.node.args is not None:
                stack += t, None
                stack += [a for a in t.node.args if type(a) is Tensor and a.node is not None]
            elif id(t) not in reached:
                raise RuntimeError(
                    f"grad: the graph behind {t.node.op.shown} {t.shape} was used up by an earlier "
                    "grad; pass retain_graph=True there, or detach what comes from it"
                )
    return order, reached


def _result(cotangents: dict[int, Tensor], i: int, t: Tensor, allow_unused: bool) -> Tensor:
    g = cotangents.get(id(t))
    if g is None:
        if not allow_unused:
            raise ValueError(
                f"grad: the output does not depend on input {i} {t.shape}; "
                "pass allow_unused=True for zeros"
            )
        g = Tensor(xp(t.data).zeros_like(t.data))
    if not g.requires_grad and isinstance(g.data, np.ndarray):
        view = g.data.view()  # it may alias another gradient or an argument
        view.flags.writeable = False
        g = Tensor(view)
    return g


def backward(self: Tensor) -> None:
    """Adds d self / d leaf to `.grad` of every leaf that requires it. Self is a scalar."""
    leaves = _leaves(self)
    for leaf, g in zip(leaves, grad(self, leaves), strict=True):
        leaf.grad = g if leaf.grad is None else Tensor(leaf.grad.data + g.data)


Tensor.backward = backward  # type: ignore[method-assign]


def _leaves(output: Tensor) -> list[Tensor]:
    """The leaves with requires_grad that `output` was computed from."""
    leaves: dict[int, Tensor] = {}
    seen: set[int] = set()
    stack = [output]
    while stack:
        t = stack.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        if t.node is None and t.requires_grad:
            leaves[id(t)] = t
        elif t.node is not None:
            stack += [a for a in t.node.args or () if isinstance(a, Tensor)]
    return list(leaves.values())
