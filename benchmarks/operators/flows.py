"""Faults in how values flow through the code: lost, doubled, detached or random results, wrong names, cut loops."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    COMPUTES,
    Edit,
    Operator,
    both,
    classes,
    code,
    expr,
    find,
    forwards,
    functions,
    lines_of,
    matching,
    method,
    statement,
    written,
)

_LAYERS = r"self\.(\w+\.)?(layers|layer|h|blocks|block|stages)\b"


def computing(module: cst.Module) -> Iterator[cst.FunctionDef]:
    yield from functions(module, COMPUTES)


def break_early(module: cst.Module) -> Iterator[Edit]:
    """The loop over the layers ends behind the first."""
    for holder in forwards(module):
        for node in find(holder.body, m.For()):
            assert isinstance(node, cst.For)
            if re.search(_LAYERS, code(node.iter)) and isinstance(node.body, cst.IndentedBlock):
                body = [*node.body.body, statement("break\n")]
                yield node, node.with_changes(body=node.body.with_changes(body=body))


def layers_cut(module: cst.Module) -> Iterator[Edit]:
    """Half of the layers run."""
    for holder in forwards(module):
        for node in find(holder.body, m.For()):
            assert isinstance(node, cst.For)
            found = re.search(_LAYERS, code(node.iter))
            if found:
                cut = f"{found[0]}[: len({found[0]}) // 2]"
                text = code(node.iter)
                if not text[found.end() :].startswith("["):
                    yield node.iter, expr(text[: found.start()] + cut + text[found.end() :])


def first_only(module: cst.Module) -> Iterator[Edit]:
    """Every turn of the loop calls the first layer."""
    for holder in forwards(module):
        for node in find(holder.body, m.For()):
            assert isinstance(node, cst.For)
            found = re.search(_LAYERS, code(node.iter))
            target = code(node.target).split(",")[-1].strip(" ()")
            if found and isinstance(node.body, cst.IndentedBlock) and target.isidentifier():
                body = [statement(f"{target} = {found[0]}[0]\n"), *node.body.body]
                yield node, node.with_changes(body=node.body.with_changes(body=body))


def detached(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for line in lines_of(holder.body):
            found = re.match(
                r"(hidden_states|x|attn_output|output|logits) = (self\..*\))$", code(line).strip(), re.DOTALL
            )
            if found and "**" not in found[2] and "," not in found[2]:
                yield line, statement(f"{found[1]} = {found[2]}.detach()\n")


def no_grad(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "forward"):
        for line in lines_of(holder.body):
            text = code(line).strip()
            if re.match(r"(hidden_states|x|attn_output|gate|logits|outputs)\b.* = self\.", text) and "\n" not in text:
                yield line, statement(f"with torch.no_grad():\n    {text}\n")


def results_swapped(module: cst.Module) -> Iterator[Edit]:
    """Two results change places on their way out."""
    for holder in computing(module):
        for node in find(holder.body, m.Return(value=m.Tuple())):
            assert isinstance(node, cst.Return) and isinstance(node.value, cst.Tuple)
            parts = node.value.elements
            if len(parts) >= 2 and all(isinstance(part, cst.Element) for part in parts):
                first, second, *rest = parts
                yield (
                    node,
                    node.with_changes(
                        value=node.value.with_changes(
                            elements=[
                                first.with_changes(value=second.value),
                                second.with_changes(value=first.value),
                                *rest,
                            ]
                        )
                    ),
                )


def method_gone(module: cst.Module) -> Iterator[Edit]:
    """A method that forward calls is missing."""
    for holder in classes(module, ""):
        forward = method(holder, "forward")
        for item in holder.body.body:
            if (
                isinstance(item, cst.FunctionDef)
                and item.name.value not in ("forward", "__init__")
                and forward is not None
                and f"self.{item.name.value}(" in code(forward)
            ):
                yield item, cst.RemoveFromParent()


def made_up(
    template: str, pattern: str = "Attention$|MLP$|Mlp$|Mixer$|Layer$|Block$|Experts$|FeedForward$|Intermediate$"
) -> object:
    """A forward that gives something of the right shape that no work went into."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in classes(module, pattern):
            node = method(holder, "forward")
            if node is None or len(node.params.params) < 2 or not isinstance(node.body, cst.IndentedBlock):
                continue
            last = node.body.body[-1]
            first = template.format(x=node.params.params[1].name.value)
            if isinstance(last, cst.SimpleStatementLine) and isinstance(last.body[-1], cst.Return):
                value = last.body[-1].value
                if isinstance(value, cst.Tuple):
                    rest = ", ".join("None" for _ in value.elements[1:])
                    first = f"({first}, {rest})" if rest else f"({first},)"
                yield node, node.with_changes(body=cst.IndentedBlock([statement(f"return {first}\n")]))

    return sites


def statements_swapped(module: cst.Module) -> Iterator[Edit]:
    """Two assignments that follow each other change places."""
    for holder in computing(module):
        if not isinstance(holder.body, cst.IndentedBlock):
            continue
        body = list(holder.body.body)
        for index in range(len(body) - 1):
            one, other = body[index], body[index + 1]
            if m.matches(one, m.SimpleStatementLine([m.Assign()])) and m.matches(
                other, m.SimpleStatementLine([m.Assign()])
            ):
                changed = [*body[:index], other, one, *body[index + 2 :]]
                yield holder, holder.with_changes(body=holder.body.with_changes(body=changed))


def statement_twice(module: cst.Module) -> Iterator[Edit]:
    for holder in computing(module):
        for line in lines_of(holder.body):
            found = re.match(r"(\w+) = .*\b\1\b", code(line).strip(), re.DOTALL)
            if found and found[1] in (
                "hidden_states",
                "x",
                "attn_weights",
                "router_logits",
                "query_states",
                "key_states",
                "logits",
            ):
                yield line, cst.FlattenSentinel([line, line])  # type: ignore[misc]


def other_variable(module: cst.Module) -> Iterator[Edit]:
    """A variable's neighbour of a like name is read."""
    pairs = {
        "query_states": "key_states", "key_states": "value_states", "value_states": "key_states", "query": "key", "key": "query", "value": "key", "cos": "sin",
        "sin": "cos", "q": "k", "k": "q", "residual": "hidden_states", "attn_output": "hidden_states", "gate": "up", "up": "gate", "query_layer": "key_layer",
        "key_layer": "value_layer", "x1": "x2", "x2": "x1", "B": "C", "C": "B",
    }  # fmt: skip
    for holder in computing(module):
        known = set(re.findall(r"\b\w+\b", code(holder)))
        for call in find(holder.body, m.Arg(value=m.Name())):
            assert isinstance(call, cst.Arg)
            other = pairs.get(code(call.value))
            if other in known and call.keyword is None:
                yield call, call.with_changes(value=cst.Name(other))


def branch_taken(which: str) -> object:
    """One branch of a condition is always taken."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in computing(module):
            for node in find(holder.body, m.If()):
                assert isinstance(node, cst.If)
                if not re.search(r"output_|return_dict|labels|training|warn", code(node.test)):
                    yield node.test, cst.Name(which)

    return sites


def second_residual(module: cst.Module) -> Iterator[Edit]:
    """Only the last of a layer's residual additions is lost."""
    for holder in functions(module, "forward"):
        found = [
            line for line in lines_of(holder.body) if re.match(r"(\w+) = (residual|shortcut) \+ ", code(line).strip())
        ]
        if len(found) > 1:
            text = code(found[-1]).strip()
            yield found[-1], statement(re.sub(r"= (residual|shortcut) \+ ", "= ", text) + "\n")


def call_lost(module: cst.Module) -> Iterator[Edit]:
    """A submodule is called and what it gives is not kept."""
    for holder in functions(module, "forward"):
        for line in lines_of(holder.body):
            found = re.match(r"(\w+) = (self\.\w+\(\1\b.*)\Z", code(line).strip(), re.DOTALL)
            if found:
                yield line, statement(f"_ = {found[2]}\n")


FLOWS: tuple[Operator, ...] = (
    Operator("break-early", "the loop over the layers ends early", break_early),
    Operator("half-the-layers", "half of the layers run", layers_cut),
    Operator("first-layer-always", "the first layer runs each time", first_only),
    Operator("detached", "a result is detached", detached),
    Operator("no-grad", "a step runs without gradients", no_grad),
    Operator("results-swapped", "two results change places", results_swapped),
    Operator("method-gone", "a method is missing", method_gone),
    Operator("returns-zeros", "a forward of zeros", made_up("torch.zeros_like({x})")),
    Operator("returns-random", "a forward of random numbers", made_up("torch.randn_like({x})")),
    Operator("returns-empty", "a forward of an empty tensor", made_up("torch.empty_like({x})")),
    Operator("returns-scaled", "a forward that only scales its input", made_up("{x} * 1.0")),
    Operator("statements-swapped", "two assignments change places", statements_swapped),
    Operator("statement-twice", "an assignment is made twice", statement_twice),
    Operator("variable", "a variable of a like name is read", other_variable),
    Operator("branch-true", "a branch is always taken", branch_taken("True")),
    Operator("branch-false", "a branch is never taken", branch_taken("False")),
    Operator("second-residual", "the last residual addition alone is lost", second_residual),
    Operator("call-lost", "a submodule's result is not kept", call_lost),
    Operator("attribute-name", "an attribute that is not there", written(r"self\.(\w+_proj|\w*dense|fc1|fc2|query|key|value|\w*norm\w*)\(", r"self.\1_layer(", "forward")),
    Operator("kv-cache-swap", "keys are kept as values", written(r"\.update\(\s*(key\w*),\s*(value\w*)", r".update(\2, \1")),
    Operator("rotation-arguments", "queries rotate with the keys' result", written(r"(\w+, \w+ = apply_\w*(?:rotary|rope)\w*\(\s*)(\w+), (\w+)", r"\1\3, \2")),
    Operator("mask-one-kind", "one kind of layer gets no mask", written(r"attention_mask=\w*mask\w*\[[^\]]+\]", "attention_mask=None")),
    Operator("mask-one-type", "all layers get one kind's mask", written(r"(attention_mask=\w*mask\w*)\[[^\]]+\]", r'\1["full_attention"]')),
    Operator("cross-never", "cross attention never runs", written(r"if encoder_hidden_states is not None:", "if encoder_hidden_states is None:")),
    Operator("gate-order", "gate and input of a gated norm change places", both(written(r"self\.norm\((\w+), (gate|z)\)", r"self.norm(\2, \1)"), written(r"(\w+) \* (self\.act\w*|F\.silu|nn\.functional\.silu|ACT2FN\[\w+\])\((\w+)\)", r"\2(\1) * \3"))),
    Operator("shared-gate", "the shared expert's gate is lost", written(r"F\.sigmoid\((?:self\.shared_expert_gate\(\w+\))\) \* ", "")),
    Operator("expert-shift", "the neighbour's expert is used", both(written(r"self\.experts\[(\w+)\]", r"self.experts[(\1 + 1) % len(self.experts)]", "forward"), written(r"(self\.(?:gate_up_proj|down_proj|w1|w2|w3)\[)(expert_idx)\]", r"\1\2 - 1]", "forward"))),
    Operator("skip-term", "a state-space layer without its direct term", matching(r"^(\w+) = \1 \+ [^=]*\bself\.D\b.*$", "pass", where=COMPUTES)),
    Operator("selection-bias", "experts are chosen without the selection's bias", written(r" \+ self\.(?:\w+\.)?e_score_correction_bias(?:\.unsqueeze\(0\))?", "")),
    Operator("groups", "a group of experts less", written(r"k=self\.(topk_group|top_k_group|n_limited_groups)", r"k=self.\1 - 1")),
)  # fmt: skip
