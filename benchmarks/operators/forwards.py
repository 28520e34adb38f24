"""Faults in forward code: wrong dimensions, wrong sides, lost arguments, lost lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import (
    Edit,
    Operator,
    argument,
    both,
    calls,
    classes,
    code,
    expr,
    find,
    forwards,
    functions,
    like,
    lines_of,
    matching,
    method,
    positional,
    statement,
)


def wrong_dim(text: str) -> str | None:
    return {"-1": "-2", "-2": "-1", "1": "0", "2": "1"}.get(text)


def swapped_axes(module: cst.Module) -> Iterator[Edit]:
    """A transposition is left out."""
    for holder in forwards(module):
        for node in calls(holder, "transpose"):
            if isinstance(node.func, cst.Attribute) and len(node.args) == 2:
                yield node, node.func.value


def residual_twice(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for line in lines_of(holder):
            text = code(line).strip().partition("  #")[0]
            found = re.match(r"(\w+) = (residual|shortcut) \+ (.*)$", text) or re.match(
                r"(\w+) = (\w+) \+ (residual|shortcut)$", text
            )
            if found:
                yield line, statement(f"{text} + {'residual' if 'residual' in text else 'shortcut'}\n")


def wrong_tensor(module: cst.Module) -> Iterator[Edit]:
    """A norm reads the residual instead of what the sublayer gave."""
    for holder in forwards(module):
        for node in find(
            holder, m.Call(func=m.Attribute(value=m.Name("self")), args=[m.Arg(value=m.Name("hidden_states"))])
        ):
            assert isinstance(node, cst.Call)
            if "residual" in code(holder) and re.search(r"norm|ln_|layer_norm", code(node.func)):
                yield node, node.with_changes(args=[node.args[0].with_changes(value=cst.Name("residual"))])


def gate_other_branch(module: cst.Module) -> Iterator[Edit]:
    """The activation stands on the other factor."""
    pattern = r"self\.(\w+)\(self\.(\w+)\((\w+)\)\) \* self\.(\w+)\((\w+)\)"
    for holder in forwards(module):
        for node in find(holder, m.BinaryOperation(operator=m.Multiply())):
            found = re.fullmatch(pattern, code(node).strip())
            if found:
                act, one, x, other, y = found.groups()
                yield node, expr(f"self.{one}({x}) * self.{act}(self.{other}({y}))")


def gate_and_up(module: cst.Module) -> Iterator[Edit]:
    """Gate and up projections change places."""
    for holder in forwards(module):
        for node in find(holder, m.BinaryOperation(operator=m.Multiply())):
            text = code(node)
            if "self.gate_proj(" in text and "self.up_proj(" in text:
                yield node, expr(text.replace("gate_proj", "@").replace("up_proj", "gate_proj").replace("@", "up_proj"))
            elif "self.wi_0(" in text and "self.wi_1(" in text:
                yield node, expr(text.replace("wi_0", "@").replace("wi_1", "wi_0").replace("@", "wi_1"))


def projections_swapped(module: cst.Module) -> Iterator[Edit]:
    """Queries are projected with the key's weights and the other way round."""
    pairs = [
        ("q_proj", "k_proj"),
        ("query", "key"),
        ("self.q(", "self.k("),
        ("q_lin", "k_lin"),
        ("to_q", "to_k"),
        ("wq", "wk"),
    ]
    for holder in classes(module, "Attention"):
        node = method(holder, "forward")
        if node is None:
            continue
        text = code(node)
        for one, other in pairs:
            first, second = (one, other) if "(" in one else (f"self.{one}(", f"self.{other}(")
            if first in text and second in text:
                swapped = text.replace(first, "@@").replace(second, first).replace("@@", second)
                yield node, like(node, textwrap.dedent(swapped.strip("\n")) + "\n")
                break


def bias_twice(module: cst.Module) -> Iterator[Edit]:
    for holder in forwards(module):
        for line in lines_of(holder):
            found = re.match(r"(\w+) = self\.(\w+)\((\w+)\)$", code(line).strip())
            if found and re.search(r"proj|dense|fc|query|key|value|linear", found[2]):
                text = f"{found[1]} = self.{found[2]}({found[3]}) + (0 if self.{found[2]}.bias is None else self.{found[2]}.bias)\n"
                yield line, statement(text)


def expand_for_repeat(module: cst.Module) -> Iterator[Edit]:
    """Heads repeated as a whole instead of one by one."""
    for node in functions(module, "repeat_kv"):
        names = [param.name.value for param in node.params.params]
        if len(names) == 2:
            yield (
                node,
                node.with_changes(
                    body=cst.IndentedBlock([statement(f"return {names[0]}.repeat(1, {names[1]}, 1, 1)\n")])
                ),
            )


def positions_off(module: cst.Module) -> Iterator[Edit]:
    for node in calls(module, "arange"):
        yield node, expr(f"({code(node)} + 1)")


def causal_flag(module: cst.Module) -> Iterator[Edit]:
    for line in lines_of(module):
        found = re.match(r"self\.is_causal = (True|False)$", code(line).strip())
        if found:
            yield line, statement(f"self.is_causal = {found[1] == 'False'}\n")
    for node in calls(module, "create_causal_mask"):
        yield node, node.with_changes(func=cst.Name("create_bidirectional_mask"))
    for node in calls(module, "create_bidirectional_mask"):
        yield node, node.with_changes(func=cst.Name("create_causal_mask"))


def lost_mask_argument(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "forward"):
        for arg in find(holder, m.Arg(keyword=m.Name("attention_mask"))):
            assert isinstance(arg, cst.Arg)
            if code(arg.value) != "None":
                yield arg, arg.with_changes(value=cst.Name("None"))


def class_token(module: cst.Module) -> Iterator[Edit]:
    """The class token does not stand before the patches."""
    for holder in functions(module, "forward"):
        for node in calls(holder, "cat|concat"):
            found = re.search(r"\(\s*[\[(]\s*(cls_\w+|class_\w+)\s*,\s*(\w+)", code(node))
            if found:
                yield node, expr(f"torch.cat([{found[2]}, {found[1]}], dim=1)")


def pooling(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "forward"):
        for node in find(
            holder, m.Subscript(slice=[m.SubscriptElement(m.Slice()), m.SubscriptElement(m.Index(m.Integer("0")))])
        ):
            assert isinstance(node, cst.Subscript)
            yield node, expr(f"{code(node.value)}.mean(1)")
        for node in calls(holder, "mean"):
            if isinstance(node.func, cst.Attribute) and re.fullmatch(
                r"1|dim=1", ", ".join(code(arg).strip(", ") for arg in node.args)
            ):
                yield node, expr(f"{code(node.func.value)}[:, 0]")


def conv(module: cst.Module) -> Iterator[Edit]:
    """A convolution's stride or padding is off by one."""
    for holder in functions(module, "__init__"):
        for node in calls(holder, "Conv1d|Conv2d|Conv3d"):
            for arg in node.args:
                if arg.keyword is not None and arg.keyword.value in ("stride", "padding"):
                    yield arg, arg.with_changes(value=expr("1" if code(arg.value) != "1" else "2"))


def decay(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.UnaryOperation(operator=m.Minus(), expression=m.Call())):
        assert isinstance(node, cst.UnaryOperation)
        if re.search(r"exp\(", code(node.expression)):
            yield node, node.expression


def eps_inside(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.BinaryOperation(operator=m.Add())):
        assert isinstance(node, cst.BinaryOperation)
        if re.search(r"eps", code(node.right)) and not re.search("eps", code(node.left)):
            yield node, node.left


def wrong_mean(module: cst.Module) -> Iterator[Edit]:
    for holder in classes(module, "Norm"):
        for node in calls(holder, "mean"):
            if isinstance(node.func, cst.Attribute) and len(node.args) >= 1:
                yield node, node.with_changes(func=node.func.with_changes(attr=cst.Name("sum")))


def lost_factor(module: cst.Module) -> Iterator[Edit]:
    """A product with a plain attribute loses it."""
    for holder in forwards(module):
        for node in find(holder, m.BinaryOperation(operator=m.Multiply(), right=m.Attribute(value=m.Name("self")))):
            assert isinstance(node, cst.BinaryOperation)
            yield node, node.left


def early_return(module: cst.Module) -> Iterator[Edit]:
    """A forward stops before its last step."""
    for holder in classes(module, "Layer|Block|MLP|Attention|Encoder|Mixer|Embeddings"):
        node = method(holder, "forward")
        if node is None or not isinstance(node.body, cst.IndentedBlock) or len(node.body.body) < 3:
            continue
        *_, last, end = node.body.body
        if isinstance(last, cst.SimpleStatementLine) and m.matches(end, m.SimpleStatementLine([m.Return()])):
            if re.match(r"(hidden_states|x|attn_output) = ", code(last).strip()):
                yield last, statement("pass\n")


def layers_skipped(module: cst.Module) -> Iterator[Edit]:
    """Every second layer runs."""
    for holder in functions(module, "forward"):
        for node in find(holder, m.For()):
            assert isinstance(node, cst.For)
            text = code(node.iter)
            if re.fullmatch(
                r"(enumerate\()?self\.(\w+\.)?(layers|layer|h|blocks|block)(\))?(\[: self\.config\.num_hidden_layers\])?\)?",
                text,
            ):
                yield node.iter, expr(f"list({text})[::2]")


def last_layer_lost(module: cst.Module) -> Iterator[Edit]:
    for holder in functions(module, "forward"):
        for node in find(holder, m.For()):
            assert isinstance(node, cst.For)
            if re.fullmatch(
                r"self\.(\w+\.)?(layers|layer|h|blocks|block)(\[: self\.config\.num_hidden_layers\])?", code(node.iter)
            ):
                yield node.iter, expr(f"{code(node.iter)}[:-1]")


def head_reads_before_norm(module: cst.Module) -> Iterator[Edit]:
    """The head reads only the first positions, or all shifted by one."""
    for holder in functions(module, "forward"):
        for node in calls(holder, "lm_head|classifier|qa_outputs|score"):
            if isinstance(node.func, cst.Attribute) and len(node.args) == 1:
                yield (
                    node,
                    node.with_changes(
                        args=[node.args[0].with_changes(value=expr(f"({code(node.args[0].value)}).roll(1, 1)"))]
                    ),
                )


def shared_weights(module: cst.Module) -> Iterator[Edit]:
    """All layers are one."""
    for holder in functions(module, "__init__"):
        for node in find(holder, m.Call(func=m.Attribute(attr=m.Name("ModuleList")), args=[m.Arg(m.ListComp())])):
            assert isinstance(node, cst.Call)
            comp = node.args[0].value
            assert isinstance(comp, cst.ListComp)
            if code(comp.for_in.iter).startswith("range("):
                made = re.sub(r"\b(layer_idx|i|idx|_|layer_id)\b(?!\s*=)", "0", code(comp.elt))
                yield node, expr(f"nn.ModuleList([{made}] * len({code(comp.for_in.iter)}))")


FAULTS: tuple[Operator, ...] = (
    Operator("softmax-dim", "softmax over the wrong dimension", argument("softmax", "dim", wrong_dim)),
    Operator("lost-transpose", "a transposition is left out", swapped_axes),
    Operator("residual-twice", "the residual is added twice", residual_twice),
    Operator("norm-tensor", "a norm reads the wrong tensor", wrong_tensor),
    Operator("gate-branch", "the activation stands on the other branch", gate_other_branch),
    Operator("gate-up", "gate and up projection are swapped", gate_and_up),
    Operator("query-key", "query and key projections are swapped", projections_swapped),
    Operator("bias-twice", "a bias is added twice", bias_twice),
    Operator("repeat-heads", "heads repeated as a whole instead of one by one", expand_for_repeat),
    Operator("position-off", "positions are off by one", positions_off),
    Operator("causal", "causal for bidirectional and the other way round", causal_flag),
    Operator("lost-mask", "the mask is not handed on", lost_mask_argument),
    Operator("class-token", "the class token stands elsewhere", class_token),
    Operator("pooling", "mean for first token and the other way round", pooling),
    Operator("conv-literal", "a convolution's stride or padding is wrong", conv),
    Operator("decay-sign", "a decay without its sign", decay),
    Operator("no-eps", "a norm without its eps", eps_inside),
    Operator("norm-sum", "a sum for a mean in a norm", wrong_mean),
    Operator("lost-factor", "a factor is left out", lost_factor),
    Operator("early-return", "the last step of a forward is left out", early_return),
    Operator("layers-skipped", "every second layer runs", layers_skipped),
    Operator("last-layer", "the last layer does not run", last_layer_lost),
    Operator("head-shift", "the head reads shifted positions", head_reads_before_norm),
    Operator("one-layer", "all layers share weights", shared_weights),
    Operator("mean-dim", "a mean over the wrong dimension", both(argument("mean|sum", "dim", wrong_dim), positional("mean|sum", 0, wrong_dim))),
    Operator("cat-dim", "tensors joined along the wrong dimension", argument("cat|stack", "dim", wrong_dim)),
    Operator("keys-unscaled", "scores are not scaled", matching(r"^(attn_weights = .*) \* scaling$", r"\1", where="eager_attention_forward|forward")),
    Operator("rotate-one", "only the queries rotate", matching(r"^k_embed = .*$", "k_embed = k", where="apply_rotary_pos_emb")),
    Operator("cos-sin", "cosine and sine swapped", matching(r"^cos, sin = (position_embeddings)$", r"sin, cos = \1")),
    Operator("dtype", "computed in half precision", matching(r"\.to\(torch\.float32\)", ".to(torch.float16)", cls="Norm|Router|Gate")),
)  # fmt: skip
