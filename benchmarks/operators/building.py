"""Faults in what a model builds: wrong sizes, wrong kinds, shared or unregistered pieces, wrong starting values."""

from __future__ import annotations

import re
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
    functions,
    keyword,
    lines_of,
    method,
    statement,
    written,
)

_NUMBER = {"0": "1", "1": "2", "2": "1", "3": "5", "4": "3"}


def _other_number(text: str) -> str | None:
    return _NUMBER.get(text, f"{text} + 1" if re.fullmatch(r"[\w.]+", text) else None)


def inits(module: cst.Module) -> Iterator[cst.FunctionDef]:
    yield from functions(module, "__init__")


def sizes_swapped(module: cst.Module) -> Iterator[Edit]:
    """A projection's input and output size change places."""
    for node in calls(module, "Linear"):
        plain = [arg for arg in node.args[:2] if arg.keyword is None and not arg.star]
        if len(plain) == 2 and code(plain[0].value) != code(plain[1].value):
            one, other, *rest = node.args
            yield (
                node,
                node.with_changes(
                    args=[one.with_changes(value=other.value), other.with_changes(value=one.value), *rest]
                ),
            )


def settings_swapped(module: cst.Module) -> Iterator[Edit]:
    """One setting is read for another that the same constructor reads."""
    for holder in inits(module):
        reads = [
            node
            for node in find(holder.body, m.Attribute(value=m.Name("config")))
            if isinstance(node, cst.Attribute) and re.search(r"size|dim|heads|width|rank|num_|n_", node.attr.value)
        ]
        names = list(dict.fromkeys(node.attr.value for node in reads))
        for node in reads:
            if len(names) > 1:
                other = names[(names.index(node.attr.value) + 1) % len(names)]
                yield node, node.with_changes(attr=cst.Name(other))


def one_module_many_times(module: cst.Module) -> Iterator[Edit]:
    """A list of modules holds the same module many times."""
    for node in calls(module, "ModuleList"):
        if len(node.args) == 1 and isinstance(node.args[0].value, cst.ListComp):
            comp = node.args[0].value
            index = code(comp.for_in.target)
            made = (
                re.sub(rf"\b{re.escape(index)}\b(?!\s*=[^=])", "0", code(comp.elt)) if index != "_" else code(comp.elt)
            )
            yield node, expr(f"nn.ModuleList((lambda made: [made for _ in {code(comp.for_in.iter)}])({made}))")


def plain_list(module: cst.Module) -> Iterator[Edit]:
    """Modules in a list that is not registered."""
    for node in calls(module, "ModuleList"):
        if len(node.args) == 1 and isinstance(node.args[0].value, cst.ListComp | cst.List):
            yield node, node.args[0].value


def plain_tensor(module: cst.Module) -> Iterator[Edit]:
    """A parameter that is a mere tensor."""
    for node in calls(module, "Parameter"):
        if node.args:
            yield node, cst.ensure_type(node.args[0].value, cst.BaseExpression)


def buffer_as_attribute(module: cst.Module) -> Iterator[Edit]:
    """A buffer that is a mere attribute."""
    for holder in inits(module):
        for line in lines_of(holder.body):
            found = re.match(r"self\.register_buffer\(\s*\"(\w+)\",\s*(.*?)(?:,\s*persistent=\w+)?,?\s*\)$", code(line).strip(), re.DOTALL)  # fmt: skip
            if found:
                yield line, statement(f"self.{found[1]} = {found[2]}\n")


def norm_gone(module: cst.Module) -> Iterator[Edit]:
    """An identity where a norm should stand."""
    for holder in inits(module):
        for line in lines_of(holder.body):
            found = re.match(r"(self\.\w*(?:norm|ln_|layer_?norm|LayerNorm)\w*) = \w[\w.]*\(", code(line).strip())
            if found:
                yield line, statement(f"{found[1]} = nn.Identity()\n")


def super_init_gone(module: cst.Module) -> Iterator[Edit]:
    for holder in inits(module):
        for line in lines_of(holder.body):
            if re.match(r"super\(\)\.__init__\(", code(line).strip()):
                yield line, statement("pass\n")


def init_branch(module: cst.Module) -> Iterator[Edit]:
    """A branch of the weight initialisation does nothing."""
    for holder in functions(module, "_init_weights"):
        for line in lines_of(holder.body):
            if re.match(r"(init\.|nn\.init\.|module\.\w+\.data\.)", code(line).strip()):
                yield line, statement("pass\n")


def submodule_not_built(module: cst.Module) -> Iterator[Edit]:
    """A submodule that forward calls is not built."""
    for holder in classes(module, ""):
        init, forward = method(holder, "__init__"), method(holder, "forward")
        if init is None or forward is None:
            continue
        for line in lines_of(init.body):
            found = re.match(r"self\.(\w+) = (?:nn\.)?[A-Z]\w*\(", code(line).strip())
            if found and f"self.{found[1]}(" in code(forward):
                yield line, statement("pass\n")


BUILDING: tuple[Operator, ...] = (
    Operator("linear-sizes", "a projection's sizes change places", sizes_swapped),
    Operator("setting-for-setting", "another setting of the constructor is read", settings_swapped),
    Operator("same-module", "a list holds one module many times", one_module_many_times),
    Operator("plain-list", "modules in a plain list", plain_list),
    Operator("plain-tensor", "a tensor for a parameter", plain_tensor),
    Operator("plain-buffer", "an attribute for a buffer", buffer_as_attribute),
    Operator("norm-identity", "an identity for a norm", norm_gone),
    Operator("no-super", "the base class is not initialised", super_init_gone),
    Operator("init-branch", "a weight keeps the start value of its class", init_branch),
    Operator("not-built", "a submodule is not built", submodule_not_built),
    Operator("conv-size", "a convolution's kernel, stride, padding or dilation is wrong", argument("Conv1d|Conv2d|Conv3d|ConvTranspose1d|ConvTranspose2d|MaxPool2d|AvgPool2d", "kernel_size|stride|padding|dilation", _other_number, inits)),
    Operator("conv-argument", "a convolution's stride, padding or dilation is left out", keyword("Conv1d|Conv2d|Conv3d|ConvTranspose1d", "stride|padding|dilation", "__init__")),
    Operator("dropout-rate", "a wrong dropout", written(r"nn\.Dropout\(([^()]+(?:\([^()]*\))?)\)", "nn.Dropout(0.37)")),
    Operator("dropout-always", "dropout while not training too", written(r"0\.0 if not self\.training else (self\.\w+)", r"\1")),
    Operator("head-dim", "a literal for the size of a head", written(r"(self\.(?:head_dim|attention_head_size|head_size) = ).*", r"\g<1>48", "__init__")),
    Operator("heads-literal", "a literal for the number of heads", written(r"(self\.(?:num_heads|num_attention_heads|n_heads|num_key_value_groups) = ).*", r"\g<1>6", "__init__")),
    Operator("scaling-one", "a scale of one", written(r"(self\.(?:scaling|scale|scale_attn|scaling_factor|softmax_scale) = ).*", r"\g<1>1.0", "__init__")),
    Operator("start-zero", "ones for zeros and the other way round", both(written(r"torch\.ones\(", "torch.zeros("), written(r"torch\.zeros\(", "torch.ones("))),
    Operator("layer-kind", "every layer is of the first layer's kind", written(r"config\.(layer_types|layers_block_type|attention_types|mlp_layer_types)\[\w+\]", r"config.\1[0]")),
    Operator("layer-condition", "layers of two kinds the other way round", written(r"if (\(?(?:self\.)?layer_(?:idx|id|number)\b[^:\n]*?) else", r"if not (\1) else")),
    Operator("activation-name", "tanh-approximated for exact and the other way round", both(written(r"\"gelu\"", '"gelu_new"'), written(r"\"gelu_(?:new|pytorch_tanh|fast)\"", '"gelu"'), written(r"\"silu\"", '"gelu"'), written(r"nn\.GELU\(\)", 'nn.GELU(approximate="tanh")'), written(r"nn\.SiLU\(\)", "nn.GELU()"), written(r"nn\.ReLU\(\)", "nn.GELU()"))),
)  # fmt: skip
