"""Faults in details: an axis, a bound, a limit, a cache, an order, a number format; some of them change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    COMPUTES,
    Edit,
    Operator,
    Sites,
    added,
    argument,
    both,
    calls,
    classes,
    code,
    expr,
    find,
    functions,
    grouped,
    keyword,
    lines_of,
    matching,
    method,
    method_dropped,
    statement,
)


def view_order(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, COMPUTES):
        for node in calls(holder, "view|reshape"):
            plain = [arg for arg in node.args if arg.keyword is None and not arg.star]
            if len(plain) == len(node.args) and len(plain) >= 3 and code(plain[-1].value) != code(plain[-2].value):
                *first, one, other = node.args
                swapped = [one.with_changes(value=other.value), other.with_changes(value=one.value)]
                yield node, node.with_changes(args=[*first, *swapped])


def bounds(module: cst.Module) -> Iterator[Edit]:
    """A slice that begins or ends one item later."""
    for holder in functions(module, COMPUTES):
        for node in find(holder.body, m.Slice()):
            assert isinstance(node, cst.Slice)
            if node.upper is not None:
                yield node, node.with_changes(upper=expr(f"{grouped(node.upper)} - 1"))
            elif node.lower is not None:
                yield node, node.with_changes(lower=expr(f"{grouped(node.lower)} + 1"))


def early_residual(module: cst.Module) -> Iterator[Edit]:
    """The residual is taken behind the norm."""
    for holder in classes(module, "Layer|Block"):
        node = method(holder, "forward")
        if node is None or not isinstance(node.body, cst.IndentedBlock):
            continue
        body = list(node.body.body)
        for index in range(len(body) - 1):
            one, other = code(body[index]).strip(), code(body[index + 1]).strip()
            if re.fullmatch(r"residual = hidden_states", one) and re.match(
                r"hidden_states = self\.\w*norm\w*\(hidden_states\)", other
            ):
                body[index], body[index + 1] = body[index + 1], body[index]
                yield node, node.with_changes(body=node.body.with_changes(body=body))
                break


def added_branches(module: cst.Module) -> Iterator[Edit]:
    """A gate that is added instead of multiplied."""
    for holder in functions(module, COMPUTES, "MLP|FeedForward|Mlp|Expert|Dense|GLU"):
        for node in find(holder.body, m.BinaryOperation(operator=m.Multiply())):
            assert isinstance(node, cst.BinaryOperation)
            if re.search(r"act|silu|gelu|gate|up", code(node)):
                yield node, node.with_changes(operator=cst.Add())


def layers_iterated(change: str) -> Sites:
    """The stack of layers is run through in another way."""

    def sites(module: cst.Module) -> Iterator[Edit]:
        for holder in functions(module, "forward"):
            for node in find(holder.body, m.For()):
                assert isinstance(node, cst.For)
                if re.fullmatch(
                    r"self\.(\w+\.)?(layers|layer|h|blocks|block)(\[: self\.config\.num_hidden_layers\])?",
                    code(node.iter),
                ):
                    yield node.iter, expr(change.format(code(node.iter)))
                elif found := re.fullmatch(
                    r"enumerate\((self\.(?:\w+\.)?(?:layers|layer|h|blocks|block))\)", code(node.iter)
                ):
                    yield node.iter, expr(f"enumerate({change.format(found[1])})")

    return sites


def result_lost(module: cst.Module) -> Iterator[Edit]:
    """A layer runs and its result is not kept."""
    for holder in functions(module, "forward"):
        for node in find(holder.body, m.For()):
            assert isinstance(node, cst.For)
            for line in lines_of(node.body):
                found = re.match(
                    r"(hidden_states|x|layer_outputs) = ((?:decoder_layer|encoder_layer|layer|layer_module|block|self\.layers?\[\w+\])\(.*)\Z",
                    code(line).strip(),
                    re.DOTALL,
                )
                if found and found[1] != "layer_outputs":
                    yield line, statement(f"_ = {found[2]}\n")


def cross_source(module: cst.Module) -> Iterator[Edit]:
    """Cross attention reads the decoder's own states."""
    for holder in functions(module, "forward"):
        for arg in find(holder.body, m.Arg(keyword=m.Name("encoder_hidden_states") | m.Name("key_value_states"))):
            assert isinstance(arg, cst.Arg)
            if code(arg.value) == "encoder_hidden_states" and "hidden_states" in [
                param.name.value for param in holder.params.params
            ]:
                yield arg, arg.with_changes(value=cst.Name("hidden_states"))


def first_expert(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "forward", "Expert|Moe|MoE|MLP"):
        for node in find(holder.body, m.Subscript(value=m.Attribute(value=m.Name("self")))):
            assert isinstance(node, cst.Subscript)
            if re.search(r"\[(expert_idx|expert_id|idx|i)\]$", code(node)):
                yield node, expr(re.sub(r"\[\w+\]$", "[0]", code(node)))


def mask_operator(module: cst.Module) -> Iterator[Edit]:
    inside = [holder.body for holder in functions(module, ".*")]
    for node in (each for body in inside for each in find(body, m.BinaryOperation(operator=m.BitAnd() | m.BitOr()))):
        assert isinstance(node, cst.BinaryOperation)
        if not re.search(r"[\"']|None|Tensor|str\b|int\b|bool\b|list\[|tuple\[|dict\[", code(node)):
            yield (
                node,
                node.with_changes(operator=cst.BitOr() if isinstance(node.operator, cst.BitAnd) else cst.BitAnd()),
            )


def attention_arguments(module: cst.Module) -> Iterator[Edit]:
    """Keys and values change places on their way into the attention function."""
    for holder in functions(module, "forward"):
        for node in calls(holder.body, "attention_interface|eager_attention_forward|scaled_dot_product_attention"):
            names = [code(arg.value) for arg in node.args]
            for index in range(len(names) - 1):
                if re.match("key", names[index]) and re.match("value", names[index + 1]):
                    args = list(node.args)
                    args[index], args[index + 1] = (
                        args[index].with_changes(value=args[index + 1].value),
                        args[index + 1].with_changes(value=args[index].value),
                    )
                    yield node, node.with_changes(args=args)


DETAILS: tuple[Operator, ...] = (
    Operator("view-order", "the last two sizes of a view are swapped", view_order),
    Operator("slice-bound", "a slice is off by one", bounds),
    Operator("qk-norm-swap", "keys go through the queries' norm", both(matching(r"self\.k_norm\(", "self.q_norm(", cls="Attention"), matching(r"self\.k_layernorm\(", "self.q_layernorm(", cls="Attention"), matching(r"self\.key_layernorm\(", "self.query_layernorm(", cls="Attention"))),
    Operator("cache-dropped", "the cache is not asked for the keys before", matching(r"^key_states, value_states = \w*past_key_values\.update\(.*$", None)),
    Operator("cache-layer", "every layer uses the first layer's cache", matching(r"(\.update\(\s*key_states, value_states, )self\.layer_idx", r"\g<1>0")),
    Operator("rope-dtype", "rotary angles in half precision", matching(r"\.float\(\)", ".half()", cls="Rotary|Rope|RoPE")),
    Operator("clamp-limit", "a limit on one side only", keyword("clamp|clip|clamp_", "min|max")),
    Operator("function", "another activation function", both(matching(r"\b(F|nn\.functional)\.silu\(", r"\1.gelu("), matching(r"\b(F|nn\.functional)\.(gelu|relu)\(", r"\1.silu("), matching(r"\btorch\.(sigmoid|tanh)\(", "torch.relu("), matching(r"\b(F|nn\.functional)\.softplus\(", r"\1.relu("))),
    Operator("mask-value", "what is masked out counts zero", both(matching(r"float\(\"-inf\"\)", "0.0"), matching(r"torch\.finfo\([\w.]+\)\.min", "0.0"), matching(r"-torch\.inf", "0.0"))),
    Operator("biased-weights", "the selection's bias goes into the routing weights", matching(r"\b(router_logits|scores)\.gather\(", "scores_for_choice.gather(", where=COMPUTES)),
    Operator("top-k-smallest", "the lowest experts are chosen", added("topk", "largest=False")),
    Operator("top-k-sorted", "chosen experts in another order", argument("topk", "sorted", lambda text: {"False": "True", "True": "False"}.get(text), lambda module: functions(module, COMPUTES))),
    Operator("softmax-dtype", "a softmax in the input's format", keyword("softmax", "dtype")),
    Operator("sinks-cut", "the sinks' probability stays and the last key's goes", matching(r"\[\.\.\., :-1\]", "[..., 1:]", where="eager_attention_forward|forward")),
    Operator("frequencies-interleaved", "frequencies side by side instead of in halves", matching(r"torch\.cat\(\((freqs), \1\), dim=-1\)", r"\1.repeat_interleave(2, dim=-1)")),
    Operator("residual-scale", "a sublayer's output counts half", matching(r"^(hidden_states|x) = residual \+ (\w+)$", r"\1 = residual + 0.5 * \2")),
    Operator("residual-normed", "the residual is taken behind the norm", early_residual),
    Operator("gate-added", "a gate is added", added_branches),
    Operator("kv-swap", "keys and values change places", attention_arguments),
    Operator("first-layer", "the first layer does not run", layers_iterated("{}[1:]")),
    Operator("layers-reversed", "the layers run from the last to the first", layers_iterated("list({})[::-1]")),
    Operator("layer-result", "a layer's result is not kept", result_lost),
    Operator("cross-source", "cross attention reads the decoder's own states", cross_source),
    Operator("first-expert", "every expert has the first one's weights", first_expert),
    Operator("expert-weights", "experts' outputs are not weighted", matching(r" \* (top_k_weights|routing_weights|expert_weights|topk_weights|router_scores)\[.*\]$", "", where="forward")),
    Operator("mask-operator", "masks are joined by or instead of and", mask_operator),
    Operator("eps-outside", "the eps stands outside of the root", matching(r"torch\.rsqrt\((\w+) \+ ([\w.]+)\)", r"(torch.rsqrt(\1) + \2)", cls="Norm")),
    Operator("conv-groups", "a depthwise convolution is a full one", keyword("Conv1d|Conv2d", "groups", "__init__")),
    Operator("norm-eps-default", "a norm with its default eps", keyword("LayerNorm|\\w*RMSNorm|BatchNorm2d|GroupNorm", "eps", "__init__")),
    Operator("padding-row", "the embedding has no row for padding", both(keyword("Embedding", "padding_idx", "__init__"))),
    Operator("contiguous", "memory is not made contiguous", method_dropped("contiguous")),
    Operator("dropout", "no dropout", lambda module: (edit for holder in functions(module, "forward|eager_attention_forward") for edit in _unwrapped(holder))),
)  # fmt: skip


def _unwrapped(holder: cst.FunctionDef) -> Iterator[Edit]:
    for node in calls(holder.body, r"dropout|\w*_dropout|drop_path"):
        if node.args and isinstance(node.args[0].value, cst.Name | cst.Call):
            yield node, node.args[0].value
