"""Faults that people make in model code: a piece that a paper names is lost, replaced or put elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    Edit,
    Operator,
    call_to_argument,
    calls,
    classes,
    code,
    config_number,
    expr,
    find,
    functions,
    like,
    lines_of,
    matching,
    method,
    replaced_name,
    statement,
    sum_to_side,
)


def drop_k_rotation(module: cst.Module) -> Iterator[Edit]:
    for node in find(
        module, m.Assign(targets=[m.AssignTarget(m.Tuple(elements=[m.Element(), m.Element()]))], value=m.Call())
    ):
        assert isinstance(node, cst.Assign)
        call = node.value
        assert isinstance(call, cst.Call)
        target = node.targets[0].target
        assert isinstance(target, cst.Tuple)
        if re.search("apply_(rotary|multimodal_rotary|rope)", code(call.func)):
            second = target.elements[1].with_changes(value=cst.Name("_"))
            changed = target.with_changes(elements=[target.elements[0], second])
            yield node, node.with_changes(targets=[node.targets[0].with_changes(target=changed)])


def swap_rotation_style(module: cst.Module) -> Iterator[Edit]:
    half = "def {n}(x):\n    x1 = x[..., : x.shape[-1] // 2]\n    x2 = x[..., x.shape[-1] // 2 :]\n    return torch.cat((-x2, x1), dim=-1)\n"
    pairs = "def {n}(x):\n    x1 = x[..., ::2]\n    x2 = x[..., 1::2]\n    return torch.stack((-x2, x1), dim=-1).flatten(-2)\n"
    for node in functions(module, "rotate_half|rotate_every_two"):
        new = half if "::2" in code(node) else pairs
        yield node, like(node, new.format(n=node.name.value))


def negate_rotation(module: cst.Module) -> Iterator[Edit]:
    for node in functions(module, "rotate_half"):
        changed = code(node).replace("-x2, x1", "x2, x1")
        if changed != code(node):
            yield node, like(node, changed.strip("\n") + "\n")


def pre_to_post_norm(module: cst.Module) -> Iterator[Edit]:
    """The norm before the first sublayer moves behind its residual addition."""
    for holder in classes(module, "Layer|Block"):
        node = method(holder, "forward")
        if node is None or not isinstance(node.body, cst.IndentedBlock):
            continue
        texts = [code(item).strip() for item in node.body.body]
        norm = next(
            (i for i, t in enumerate(texts) if re.match(r"hidden_states = self\.\w*(norm|ln)\w*\(hidden_states\)", t)),
            None,
        )
        added = next(
            (
                i
                for i, t in enumerate(texts)
                if re.match(r"hidden_states = residual \+ ", t) and norm is not None and i > norm
            ),
            None,
        )
        if norm is None or added is None:
            continue
        name = re.match(r"hidden_states = (self\.\w+)\(", texts[norm])
        assert name is not None
        body = list(node.body.body)
        body[added] = statement(
            re.sub(r"^hidden_states = (.*)$", rf"hidden_states = {name[1]}(\1)", texts[added].split("\n")[-1]) + "\n"
        )
        del body[norm]
        yield node, node.with_changes(body=node.body.with_changes(body=body))


def returns_input(module: cst.Module) -> Iterator[Edit]:
    """A layer's forward returns what it was given."""
    for holder in classes(module, "DecoderLayer$|EncoderLayer$|Block$|Layer$"):
        node = method(holder, "forward")
        if node is None or len(node.params.params) < 2 or not isinstance(node.body, cst.IndentedBlock):
            continue
        first = node.params.params[1].name.value
        body = list(node.body.body)
        if not isinstance(body[-1], cst.SimpleStatementLine) or not m.matches(body[-1].body[0], m.Return()):
            continue
        returned = body[-1].body[0]
        assert isinstance(returned, cst.Return)
        many = isinstance(returned.value, cst.Tuple)
        body = [statement(f"return ({first},)\n" if many else f"return {first}\n")]
        yield node, node.with_changes(body=node.body.with_changes(body=body))


def stub(module: cst.Module, pattern: str, text: str) -> Iterator[Edit]:
    for holder in classes(module, pattern):
        node = method(holder, "forward")
        if node is not None and len(node.params.params) >= 2:
            first = node.params.params[1].name.value
            yield node, node.with_changes(body=cst.IndentedBlock([statement(text.format(x=first) + "\n")]))


def helper_gone(module: cst.Module) -> Iterator[Edit]:
    for node in module.body:
        if isinstance(node, cst.FunctionDef) and re.search(
            "rotate_half|repeat_kv|apply_rotary|load_balancing|segsum|drop_path|window", node.name.value
        ):
            yield node, cst.RemoveFromParent()


def overwritten(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "__init__"):
        for line in lines_of(holder.body):
            if re.match(r"self\.\w+ = nn\.(Linear|LayerNorm|Conv1d|Embedding)\(", code(line).strip()):
                yield line, cst.FlattenSentinel([line, line])  # type: ignore[misc]
                break


def wider(module: cst.Module) -> Iterator[Edit]:
    for node in calls(module, "Linear"):
        if len(node.args) >= 2 and node.args[1].keyword is None:
            args = list(node.args)
            args[1] = args[1].with_changes(value=expr(f"{code(args[1].value)} * 2"))
            yield node, node.with_changes(args=args)


def flip_bias(module: cst.Module) -> Iterator[Edit]:
    for node in calls(module, "Linear"):
        for index, arg in enumerate(node.args):
            if arg.keyword is not None and arg.keyword.value == "bias":
                value = code(arg.value)
                new = "True" if value == "False" else "False" if value == "True" else f"not {value}"
                args = list(node.args)
                args[index] = arg.with_changes(value=expr(f"({new})"))
                yield node, node.with_changes(args=args)


def eps(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.Arg(keyword=m.Name("eps"))):
        assert isinstance(node, cst.Arg)
        yield node, node.with_changes(value=expr("0.05"))


def top_k(module: cst.Module) -> Iterator[Edit]:
    for node in calls(module, "topk"):
        for index, arg in enumerate(node.args):
            if (
                (arg.keyword is not None and arg.keyword.value == "k")
                or (arg.keyword is None and "top_k" in code(arg.value))
                or "num_experts_per_tok" in code(arg.value)
            ):
                args = list(node.args)
                args[index] = arg.with_changes(value=expr(f"({code(arg.value)} - 1)"))
                yield node, node.with_changes(args=args)
                break


def residual(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.BinaryOperation(operator=m.Add())):
        assert isinstance(node, cst.BinaryOperation)
        left, right = code(node.left), code(node.right)
        if re.fullmatch(r"residual|shortcut|input_tensor|attention_output", left):
            yield node, node.right
        elif re.fullmatch(r"residual|shortcut|input_tensor|hidden_states_residual", right):
            yield node, node.left


def gate_plain(module: cst.Module) -> Iterator[Edit]:
    """The activation around a gate is left out."""
    for node in calls(module, "act_fn|activation_fn|act|activation|intermediate_act_fn|dense_act_fn|silu|gelu"):
        if node.args and not isinstance(node.args[0].value, cst.SimpleString):
            yield node, cst.ensure_type(node.args[0].value, cst.BaseExpression)


def activation(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.Subscript(value=m.Name("ACT2FN"))):
        yield node, expr('ACT2FN["relu2"]')


def layers(module: cst.Module) -> Iterator[Edit]:
    for node in calls(module, "range"):
        if len(node.args) == 1 and re.search(r"layers|depth|n_layer|num_hidden", code(node.args[0].value)):
            yield (
                node,
                node.with_changes(args=[node.args[0].with_changes(value=expr(f"{code(node.args[0].value)} - 1"))]),
            )


def literal_one(module: cst.Module, values: dict[str, object], everywhere: bool = False) -> Iterator[cst.Module | Edit]:
    """A setting read replaced by its default."""
    wanted: dict[str, list[cst.CSTNode]] = {}
    for node in find(module, m.Attribute(value=m.Name("config"))):
        assert isinstance(node, cst.Attribute)
        name = node.attr.value
        if name in values and isinstance(values[name], int | float) and not isinstance(values[name], bool):
            wanted.setdefault(name, []).append(node)
    for name, nodes in wanted.items():
        new = expr(repr(values[name]))
        if everywhere:
            changed: cst.CSTNode = module
            for node in nodes:
                changed = changed.deep_replace(node, new)  # type: ignore[attr-defined]
            yield changed  # type: ignore[misc]
        else:
            yield nodes[0], new


def kv_heads(module: cst.Module) -> Iterator[Edit]:
    yield from replaced_name(r"config\.num_key_value_heads|config\.num_kv_heads", "config.num_attention_heads")(module)


def scale(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.BinaryOperation(operator=m.Power())):
        if re.search(r"head_dim|head_size|d_head|qk_head_dim", code(node)) and "0.5" in code(node):
            yield node, expr(code(node).replace("-0.5", "-0.25").replace("- 0.5", "- 0.25"))
    for node in calls(module, "sqrt"):
        if re.search(r"head_dim|head_size|d_k|d_head", code(node)):
            yield node, expr(f"({code(node)} * 2)")


def swapped_pair(module: cst.Module) -> Iterator[Edit]:
    """Two results of a split change places."""
    for node in find(
        module, m.Assign(targets=[m.AssignTarget(m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name())]))])
    ):
        assert isinstance(node, cst.Assign)
        if re.search(r"chunk|split|unbind|\[\.\.\., ::2\]", code(node.value)):
            target = node.targets[0].target
            assert isinstance(target, cst.Tuple)
            first, second = target.elements[0].value, target.elements[1].value
            changed = target.with_changes(
                elements=[target.elements[0].with_changes(value=second), target.elements[1].with_changes(value=first)]
            )
            yield node, node.with_changes(targets=[node.targets[0].with_changes(target=changed)])


def untied(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.Assign(targets=[m.AssignTarget(m.Name("_tied_weights_keys"))])):
        assert isinstance(node, cst.Assign)
        yield node, node.with_changes(value=expr("{}"))


def softcap(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.If()):
        assert isinstance(node, cst.If)
        if re.search("softcap", code(node.test)) and node.orelse is None:
            yield node, statement("pass\n")


def window(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.Arg(keyword=m.Name("sliding_window"))):
        assert isinstance(node, cst.Arg)
        if code(node.value) != "None":
            yield node, node.with_changes(value=expr("None"))
    for line in lines_of(module):
        found = re.match(r"self\.sliding_window = (?!None)", code(line).strip())
        if found:
            yield line, statement("self.sliding_window = None\n")
    for node in calls(module, "create_sliding_window_causal_mask"):
        yield node, node.with_changes(func=cst.Name("create_causal_mask"))


def window_alias(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.DictElement(key=m.SimpleString('"sliding_attention"'))):
        assert isinstance(node, cst.DictElement)
        if "create_sliding" in code(node.value):
            yield (
                node,
                node.with_changes(
                    value=expr(code(node.value).replace("create_sliding_window_causal_mask", "create_causal_mask"))
                ),
            )


def pattern_shift(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.BinaryOperation(left=m.BinaryOperation(), operator=m.Modulo())):
        assert isinstance(node, cst.BinaryOperation)
        left = code(node.left)
        if re.fullmatch(r"\(?\s*\(?(\w+)\s*\+\s*1\)?\)?", left):
            yield node, node.with_changes(left=expr(re.sub(r"\s*\+\s*1", "", left).strip("() ")))


OPERATORS: tuple[Operator, ...] = (
    Operator("drop-k-rotation", "keys are not rotated", drop_k_rotation),
    Operator("drop-rotation", "queries and keys are not rotated", matching(r"^\w+, \w+ = apply_(rotary|multimodal_rotary)\w*\(.*$", None)),
    Operator("rotation-style", "half for interleaved rotation and the other way round", swap_rotation_style),
    Operator("rotation-sign", "the rotation's sign is lost", negate_rotation),
    Operator("post-norm", "the norm stands behind the residual addition", pre_to_post_norm),
    Operator("drop-norm", "a norm is not applied", matching(r"^(\w+) = self\.\w*(norm|ln|LayerNorm)\w*\((\w+)\)$", r"\1 = \3", cls="Layer|Block|Output")),
    Operator("drop-final-norm", "the last norm is not applied", matching(r"^(\w+) = self\.(norm|final_layer_norm|final_layernorm|ln_f|layernorm|layer_norm)\((\w+)\)$", r"\1 = \3", cls="Model|Encoder$|Decoder$|Transformer$")),
    Operator("drop-qk-norm", "queries are not normed", matching(r"self\.(q_norm|query_norm|q_layernorm)\(", "(", cls="Attention")),
    Operator("drop-residual", "a sublayer's input is not added", residual),
    Operator("drop-sinks", "sinks never reach the softmax", matching(r"^(\w+) = torch\.cat\(\[(\w+), sinks\].*$", r"\1 = \2", where="eager_attention_forward|forward")),
    Operator("router-softmax", "router scores without their softmax or sigmoid", call_to_argument("softmax|sigmoid", "Router|Gate|Moe|MoE|MLP")),
    Operator("router-sigmoid", "sigmoid for softmax in the router", matching(r"(\w+(?:\.\w+)*)\.softmax\((\w+)[^)]*\)", r"\2.sigmoid()", cls="Router|Gate|Moe|MoE")),
    Operator("top-k", "one expert less per token", top_k),
    Operator("routed-scale", "routed weights are not scaled", sum_to_side(r"routed_scaling_factor|router_scale")),
    Operator("shared-expert", "the shared expert's output is not added", sum_to_side(r"^self\.shared_expert\w*\(|^shared_expert_output$|^shared_output\w*$")),
    Operator("softcap", "the soft cap is not applied", softcap),
    Operator("window", "the window is ignored", window),
    Operator("window-mask", "windowed layers get the full mask", window_alias),
    Operator("kv-heads", "as many key heads as query heads", kv_heads),
    Operator("bias", "a projection's bias is flipped", flip_bias),
    Operator("untie", "input and output embeddings are not tied", untied),
    Operator("eps", "a norm's eps is wrong", eps),
    Operator("theta", "the rotary base is wrong", matching(r"^(base = .*)$", r"\1 * 10", where="compute_default_rope_parameters|__init__")),
    Operator("theta-default", "the default rotary base is wrong", config_number("rope_theta|default_theta|rotary_emb_base", lambda text: "12345.0"), in_config=True),
    Operator("gate", "the gate without its activation", gate_plain),
    Operator("activation", "another activation", activation),
    Operator("stub-pass", "a forward of `pass`", lambda module: stub(module, "MLP$|FeedForward$|Intermediate$|Mlp$", "pass")),
    Operator("stub-identity", "a forward that returns its input", lambda module: stub(module, "Attention$|MLP$|Mixer$|Experts$", "return {x}")),
    Operator("stub-raises", "a forward that is not implemented", lambda module: stub(module, "MLP$|Attention$|Mixer$|Layer$", "raise NotImplementedError")),
    Operator("layer-identity", "a layer returns its input", returns_input),
    Operator("overwritten", "a submodule is built twice", overwritten),
    Operator("width", "a projection of twice the width", wider),
    Operator("layer-count", "one layer less", layers),
    Operator("layer-pattern", "the layer pattern is off by one", pattern_shift, in_config=True),
    Operator("scale", "a wrong attention scale", scale),
    Operator("drop-mask", "the mask is not added", matching(r"^(attn_weights|attention_scores|scores) = \1 \+ (attention_mask|causal_mask|mask)$", r"\1 = \1", where="eager_attention_forward|forward")),
    Operator("attention-softmax", "scores without softmax", call_to_argument("softmax", "Attention")),
    Operator("attention-softmax-function", "scores without softmax in the attention function", lambda module: (edit for holder in functions(module, "eager_attention_forward") for edit in _first_argument(holder, "softmax"))),
    Operator("value-for-key", "values are projected with the key's weights", matching(r"self\.v_proj\(", "self.k_proj(", cls="Attention")),
    Operator("swapped-split", "two results of a split are swapped", swapped_pair),
    Operator("norm-offset", "a norm's weight without its offset of one", matching(r"\(1\.0 \+ (self\.weight[^)]*)\)", r"(\1)", cls="Norm")),
    Operator("norm-kind", "mean of magnitudes for mean of squares", matching(r"\.pow\(2\)\.mean", ".abs().mean", cls="Norm")),
    Operator("embedding-scale", "embeddings are not scaled", sum_to_side(r"embed_scale|normalizer|embedding_multiplier|scale_emb")),
    Operator("positions", "position embeddings are not added", sum_to_side(r"^(self\.)?(position_embed\w*|pos_embed\w*|embed_pos\w*|embed_positions.*|self\.position_embedding\(.*)$")),
    Operator("ssm-decay", "the state grows instead of decaying", matching(r"-torch\.exp\(", "torch.exp(")),
    Operator("conv-activation", "the short convolution without its activation", matching(r"self\.act\((self\.conv1d\(.*)\)$", r"(\1)")),
    Operator("helper-gone", "a helper function is missing", helper_gone),
    Operator("experts", "half of the experts", matching(r"(config\.(num_local_experts|num_experts|n_routed_experts|moe_num_experts))", r"(\1 // 2)", where="__init__")),
    Operator("expert-norm", "routing weights are not normalised", matching(r"^(\w+) /= \1\.sum\(.*$", None)),
    Operator("dead-setting", "a setting is no longer read", lambda module: iter(())),
    Operator("literal", "a literal for a setting", lambda module: iter(())),
)  # fmt: skip


def _first_argument(holder: cst.CSTNode, name: str) -> Iterator[Edit]:
    for node in calls(holder, name):
        if node.args:
            yield node, cst.ensure_type(node.args[0].value, cst.BaseExpression)
