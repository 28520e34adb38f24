"""Faults in configuration files: wrong defaults, lost maps, other layer patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from benchmarks.operators.editing import Edit, Operator, both, code, config_number, expr, find, written


def map_gone(module: cst.Module) -> Iterator[Edit]:
    for node in find(module, m.Assign(targets=[m.AssignTarget(m.Name("attribute_map"))])):
        assert isinstance(node, cst.Assign)
        yield node, node.with_changes(value=expr("{}"))


def map_swapped(module: cst.Module) -> Iterator[Edit]:
    """Two settings of the map stand for each other's."""
    for node in find(module, m.Assign(targets=[m.AssignTarget(m.Name("attribute_map"))], value=m.Dict())):
        assert isinstance(node, cst.Assign) and isinstance(node.value, cst.Dict)
        parts = node.value.elements
        if len(parts) >= 2 and all(isinstance(part, cst.DictElement) for part in parts):
            first, second, *rest = parts
            changed = [first.with_changes(value=second.value), second.with_changes(value=first.value), *rest]
            yield node, node.with_changes(value=node.value.with_changes(elements=changed))


def field_gone(module: cst.Module) -> Iterator[Edit]:
    """A setting is no longer defined."""
    for holder in find(module, m.ClassDef()):
        assert isinstance(holder, cst.ClassDef)
        for line in holder.body.body:
            if m.matches(line, m.SimpleStatementLine([m.AnnAssign(target=m.Name())])):
                assert isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.AnnAssign)
                if re.search("size|num_|dim|act|eps|rank|types|rope", code(line.body[0].target)):
                    yield line, cst.RemoveFromParent()


def _doubled(text: str) -> str:
    return f"{int(text) * 2}" if text.isdigit() and int(text) > 1 else "3" if text == "1" else f"{text} * 2"


SETTINGS: tuple[Operator, ...] = (
    Operator("config-size", "a wrong default size", config_number(r"\w*(size|dim|width|rank)", _doubled), in_config=True),
    Operator("config-count", "a wrong default number", config_number(r"(num|n)_(?!labels)\w+|\w*(layers|heads|experts\w*|depth|top_?k)", lambda text: f"{text} + 2"), in_config=True),
    Operator("config-eps", "a wrong default eps", config_number(r"\w*eps\w*", lambda _: "0.03"), in_config=True),
    Operator("config-rate", "a wrong default rate", config_number(r"\w*(dropout|drop|_p|prob)\w*", lambda text: f"{text} + 0.25"), in_config=True),
    Operator("config-factor", "a wrong default factor", config_number(r"\w*(factor|scale|multiplier|scalar|cap\w*|theta|alpha|limit)", lambda text: f"{text} * 4"), in_config=True),
    Operator("config-flag", "a wrong default flag", both(written(r"^(\s+\w*(?:bias|norm|tie\w*|use\w*|scale\w*|causal\w*|post\w*|pre\w*|gate\w*)\w*: bool(?: \| None)? = )True\b", r"\1False"), written(r"^(\s+\w*(?:bias|norm|tie\w*|scale\w*|causal\w*|post\w*|pre\w*|gate\w*)\w*: bool(?: \| None)? = )False\b", r"\1True")), in_config=True),
    Operator("config-activation", "another default activation", both(written(r"^(\s+\w*act\w*: str(?: \| None)? = )\"(?:gelu\w*|relu\w*)\"", r'\1"silu"'), written(r"^(\s+\w*act\w*: str(?: \| None)? = )\"silu\"", r'\1"relu"')), in_config=True),
    Operator("config-map", "settings are no longer known by their other names", map_gone, in_config=True),
    Operator("config-map-swap", "two settings stand for each other's", map_swapped, in_config=True),
    Operator("config-field", "a setting is no longer defined", field_gone, in_config=True),
    Operator("config-modulo", "a layer pattern of another period", written(r"% (\d+|self\.\w+|\w+)(?= ==| !=| else|\))", r"% (\1 + 1)"), in_config=True),
    Operator("config-types", "two kinds of layers change places", both(written(r"\"sliding_attention\" if", '"full_attention" if'), written(r"else \"full_attention\"", 'else "sliding_attention"'), written(r"\"linear_attention\" if", '"full_attention" if')), in_config=True),
    Operator("config-derived", "a derived setting is wrong", written(r"(self\.(?:head_dim|\w*_size|\w*_dim|num_\w+) = self\.\w+ )(?://|\*) ", r"\1- "), in_config=True),
)  # fmt: skip
