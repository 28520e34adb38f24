"""One class per case; `# present: id` and `# absent: id` in the line above say what its audit must and must not report."""

import os

import torch
from torch import nn


def scale_by(x, factor):
    return x


def scaled(x, factor):
    return x * factor


# present: stub.identity
class StubIdentityFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, input_ids):
        return scale_by(self.proj(input_ids.float() @ torch.ones(3, 4)), 2.0)


# absent: stub.identity
class NoStub(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, input_ids):
        return scaled(self.proj(input_ids[..., None].float().expand(-1, -1, 4)), 2.0)


class Part(nn.Module):
    def forward(self, x):
        pass


# present: stub.empty
class StubEmpty(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.part = Part()

    def forward(self, input_ids):
        x = self.emb(input_ids)
        self.part(x)
        return x


# present: output.independent
class Independent(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, input_ids):
        return self.weight * 2


# present: state.unregistered
class RandomState(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.projection = torch.randn(4, 4) * 0.02

    def forward(self, input_ids):
        return self.emb(input_ids) @ self.projection


# absent: state.unregistered
class RandomBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.scale = torch.ones(4)
        self.register_buffer("projection", torch.randn(4, 4))
        self.shift = nn.Parameter(torch.randn(4))

    def forward(self, input_ids):
        return self.emb(input_ids) @ self.projection * self.scale + self.shift


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x)


# absent: init.missing
class InheritedReset(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.norm = ChannelNorm(4)

    def forward(self, input_ids):
        return self.norm(self.emb(input_ids))


# present: output.random
# absent: output.independent
class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        x = self.emb(input_ids)
        return x + torch.randn(4)


# present: parameter.unread
class Unread(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.extra = nn.Linear(4, 4)

    def forward(self, input_ids):
        return self.emb(input_ids)


# absent: parameter.unread
class ReadByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.other = nn.Linear(4, 4)

    def forward(self, input_ids):
        return getattr(self, "other")(self.emb(input_ids))


# present: module.overwritten
class Overwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        return self.emb(input_ids)


# absent: module.overwritten
class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.emb = nn.Sequential(self.emb, nn.Linear(4, 4))

    def forward(self, input_ids):
        return self.emb(input_ids)


# present: module.unregistered
class Unregistered(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = [nn.Linear(4, 4) for _ in range(2)]

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x


# absent: module.unregistered
class Registered(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x


# present: name.unresolved
class Unresolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.twice = False

    def forward(self, input_ids):
        if self.twice:
            return missing_helper(self.emb(input_ids))
        return self.emb(input_ids)


# absent: name.unresolved
class Resolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        def inner(y):
            return y * factor

        factor = 2
        return inner(self.emb(input_ids)) + sum(z for z in [1, 2])


# present: value.unused
# present: argument.dropped
class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids, attention_mask=None):
        x = self.emb(input_ids)
        normed = x / x.norm()
        return x


# present: code.unreachable
# present: branch.never
class Unreachable(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        x = self.emb(input_ids)
        if False:
            x = x * 2
        return x
        x = x + 1


# present: init.missing
class Uninitialised(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(4))
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        return self.emb(input_ids) * self.scale


# absent: init.missing
class Initialised(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.empty(4))
        self.emb = nn.Embedding(8, 4)
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.normal_(self.scale)

    def forward(self, input_ids):
        return self.emb(input_ids) * self.scale


# present: source.process
# present: comment.todo
class Reaching(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.mode = os.getenv("MODE")

    def forward(self, input_ids):
        # TODO: rotate
        return self.emb(input_ids)


def use_kernel_func_from_hub_with_fallback(name, package):
    return lambda function: function


@use_kernel_func_from_hub_with_fallback("scaled", "some_kernels")
def scaled(x):
    return x * 2


# present: source.kernel
class Replaceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        return scaled(self.emb(input_ids))


# present: forward.missing
class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)


# absent: module.overwritten
# present: suppression.unused
class Suppressed(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.emb = nn.Embedding(8, 4)  # specdiff: ignore[module.overwritten] the second seed is the one that is published

    def forward(self, input_ids):
        return self.emb(input_ids)  # specdiff: ignore[stub.empty] nothing to suppress here


class Settings:
    def __init__(self, eps=1e-6, width=4):
        self.eps = eps
        self.width = width


# present: config.literal
# present: config.overridden
class Literal(nn.Module):
    def __init__(self, config: Settings):
        super().__init__()
        self.width = config.width
        self.width = 4
        self.emb = nn.Embedding(8, 4)
        self.first = nn.LayerNorm(4, eps=config.eps)
        self.second = nn.LayerNorm(4, eps=1e-6)

    def forward(self, input_ids):
        return self.second(self.first(self.emb(input_ids)))


# absent: config.literal
# absent: config.overridden
class NoLiteral(nn.Module):
    def __init__(self, config: Settings):
        super().__init__()
        self.width = config.width
        self.emb = nn.Embedding(8, self.width)
        self.first = nn.LayerNorm(4, eps=config.eps)
        self.second = nn.LayerNorm(4, eps=config.eps, bias=False)

    def forward(self, input_ids):
        return self.second(self.first(self.emb(input_ids)))


class Renaming:
    attribute_map = {"heads": "number"}

    def __init__(self, heads=2, number=2):
        self.heads = heads
        self.number = number


# absent: config.unread
class ReadsTheOtherName(nn.Module):
    def __init__(self, config: Renaming):
        super().__init__()
        self.emb = nn.Embedding(8, config.number)

    def forward(self, input_ids):
        return self.emb(input_ids)


class WithDeadSetting:
    def __init__(self, width_of_table=4, never_looked_at=1):
        self.width_of_table = width_of_table
        self.never_looked_at = never_looked_at


# present: config.unread
class LeavesASettingUnread(nn.Module):
    def __init__(self, config: WithDeadSetting):
        super().__init__()
        self.emb = nn.Embedding(8, config.width_of_table)

    def forward(self, input_ids):
        return self.emb(input_ids)


def rotated(q, k, cos, sin):
    def half(x):
        return torch.cat((-x[..., 2:], x[..., :2]), dim=-1)

    return q * cos + half(q) * sin, k * cos + half(k) * sin


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def tables(self, input_ids):
        angles = torch.arange(input_ids.shape[1])[:, None].float() * torch.ones(4)
        return angles.cos(), angles.sin()


# present: rotation.unused
class RotatesOneSide(Rotary):
    def forward(self, input_ids):
        x = self.emb(input_ids)
        k = x
        q, _ = rotated(x, k, *self.tables(input_ids))
        return q @ k.transpose(1, 2)


# absent: rotation.unused
class RotatesBothSides(Rotary):
    def forward(self, input_ids):
        x = self.emb(input_ids)
        q, k = rotated(x, x, *self.tables(input_ids))
        return q @ k.transpose(1, 2)


class RotatesByPosition(Rotary):
    def angles(self, positions):
        freqs = 10000.0 ** -(torch.arange(0, 4, 2) / 4)
        angles = positions[:, None].float() * freqs
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def scores(self, input_ids, cos, sin):
        x = self.emb(input_ids)
        q, k = rotated(x, x, cos, sin)
        return q @ k.transpose(1, 2)


# present: rotation.unmoving
class PositionsAreZeros(RotatesByPosition):
    def forward(self, input_ids):
        return self.scores(input_ids, *self.angles(torch.zeros(input_ids.shape[1])))


# present: rotation.unmoving
class PositionsAreOneRowOfATable(RotatesByPosition):
    def forward(self, input_ids):
        cos, sin = self.angles(torch.arange(512))
        rows = torch.zeros_like(input_ids)
        return self.scores(input_ids, cos[rows], sin[rows])


# absent: rotation.unmoving
class PositionsAreCounted(RotatesByPosition):
    def forward(self, input_ids):
        return self.scores(input_ids, *self.angles(torch.ones_like(input_ids[0]).cumsum(-1) - 1))


# absent: rotation.unmoving
class PositionsAreTheFirstRows(RotatesByPosition):
    def forward(self, input_ids):
        cos, sin = self.angles(torch.arange(512))
        length = input_ids.shape[1]
        return self.scores(input_ids, cos[:length], sin[:length])


# absent: rotation.unmoving
class PositionsAreGiven(RotatesByPosition):
    def forward(self, input_ids, position_ids=None):
        cos, sin = self.angles(torch.arange(512))
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1])
        return self.scores(input_ids, cos[position_ids], sin[position_ids])


# absent: init.missing
# absent: shape.broadcast
class WrittenInPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.scale = nn.Parameter(torch.Tensor(4).uniform_())

    def forward(self, input_ids):
        hidden = self.emb(input_ids) * self.scale
        mask = torch.where(input_ids < 3, 1, 0)
        mask[:, 0] = 1
        mask.unsqueeze_(2)
        return hidden - mask * 1e6


class InnerSettings:
    def __init__(self, width=4, inner_width=2):
        self.width = width
        self.inner_width = inner_width


# absent: config.unread
class TakesSettingsOfAPrefix(nn.Module):
    def __init__(self, config: InnerSettings):
        super().__init__()
        for name, value in vars(config).items():
            if name.startswith("inner_"):
                setattr(config, name[6:], value)
        self.emb = nn.Embedding(8, config.width)

    def forward(self, input_ids):
        return self.emb(input_ids)


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(4, 2)
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        return self.mix(x), self.score(x)


# present: parameter.dropped
# absent: parameter.aside
class DropsScores(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([Scorer() for _ in range(3)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers:
            x, _ = layer(x)
        return x


# present: parameter.aside
# absent: parameter.dropped
class ReturnsScores(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([Scorer() for _ in range(3)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        scores = []
        for layer in self.layers:
            x, score = layer(x)
            scores.append(score)
        return x, torch.stack(scores)


# absent: parameter.dropped
# absent: module.uncalled
class TakesAnEarlierLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, input_ids):
        states = [self.emb(input_ids)]
        for layer in self.layers:
            states.append(layer(states[-1]))
        return states[-2]


# absent: parameter.dropped
class UsesItForTheLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.auxiliary = nn.Linear(4, 8)

    def forward(self, input_ids, labels=None):
        x = self.emb(input_ids)
        scores = self.auxiliary(x)
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten())
        return x, loss


# present: module.uncalled
class RunsTwoOfThree(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers[:2]:
            x = layer(x)
        return x


# present: value.zeroed
class AddsNothing(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.mix = nn.Linear(4, 4)

    def forward(self, input_ids):
        x = self.emb(input_ids)
        return x + self.mix(x) * 0.0


# absent: value.zeroed
class AddsAScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.scale = nn.Parameter(torch.zeros(4))

    def forward(self, input_ids):
        x = self.emb(input_ids)
        return x + x * self.scale


# present: loop.idle
class GoesThroughLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers:
            x = torch.relu(x)
        return x


# absent: loop.idle
class GoesThroughSteps(nn.Module):
    def __init__(self, steps=(1, 2)):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.mix = nn.Linear(4, 4)
        self.steps = steps

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for step in self.steps:
            x = self.mix(x) / step
        return x


class Phases(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("rates", torch.ones(4))

    def forward(self, positions):
        return positions[..., None] * self.rates


class Reads(nn.Module):
    def forward(self, x, phases):
        return x + phases


class Ignores(nn.Module):
    def forward(self, x, phases):
        return torch.relu(x)


# present: position.unused
class PassesPhasesToNobody(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.phases = Phases()
        self.layer = Ignores()

    def forward(self, input_ids):
        phases = self.phases(torch.arange(input_ids.shape[1]))
        return self.layer(self.emb(input_ids), phases=phases)


# absent: position.unused
class PassesPhases(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.phases = Phases()
        self.layer = Reads()

    def forward(self, input_ids):
        phases = self.phases(torch.arange(input_ids.shape[1]))
        return self.layer(self.emb(input_ids), phases=phases)


class Marker:
    """What the paper calls a marker."""


# present: stub.placeholder
# absent: module.shared
class Marked(Marker, nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)

    def forward(self, input_ids):
        return self.emb(input_ids)


# absent: stub.placeholder
class SkipsByDesign(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.norm = nn.Identity()

    def forward(self, input_ids):
        return self.norm(self.emb(input_ids))


# present: module.shared
class OneLayerThreeTimes(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4)] * 3)

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x


class Counted:
    def __init__(self, width=40, blocks=7):
        self.width, self.blocks = width, blocks


# absent: count.differs
class NamedParts(nn.Module):
    def __init__(self, config: Counted):
        super().__init__()
        blocks = nn.ModuleList([nn.TransformerEncoderLayer(config.width, 4) for _ in range(config.blocks)])
        self.parts = nn.ModuleDict({"emb": nn.Embedding(8, config.width), "h": blocks, "norm": nn.LayerNorm(config.width)})

    def forward(self, input_ids):
        x = self.parts["emb"](input_ids)
        for block in self.parts["h"]:
            x = block(x)
        return self.parts["norm"](x)


# present: count.differs
class OneBlockLess(nn.Module):
    def __init__(self, config: Counted):
        super().__init__()
        self.emb = nn.Embedding(8, config.width)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(config.width, 4) for _ in range(config.blocks - 1)])

    def forward(self, input_ids):
        x = self.emb(input_ids)
        for block in self.blocks:
            x = block(x)
        return x


class Sizes:
    def __init__(self, width):
        self.width = width


class NoSettings(nn.Module):
    def __init__(self, sizes: Sizes):
        super().__init__()
        self.emb = nn.Embedding(8, sizes.width)

    def forward(self, input_ids):
        return self.emb(input_ids)


# present: mask.unused
# absent: argument.kept
class MaskForNobody(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.part = MasklessPart()

    def forward(self, input_ids):
        x = self.emb(input_ids)
        mask = torch.full((3, 3), -1e9).triu(1)
        return self.part(x, mask)


class MasklessPart(nn.Module):
    def forward(self, x, mask=None):
        return (x @ x.transpose(1, 2)).softmax(-1) @ x


# present: argument.kept
# absent: mask.unused
class MaskKeptBack(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.part = MaskedPart()

    def forward(self, input_ids, attention_mask=None):
        return self.part(self.emb(input_ids))


class MaskedPart(nn.Module):
    def forward(self, x, attention_mask=None):
        scores = x @ x.transpose(1, 2)
        if attention_mask is not None:
            scores = scores + attention_mask
        return scores.softmax(-1) @ x


# present: state.unread
class StateForNobody(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.register_buffer("kept_keys", torch.zeros(2, 16, 4))

    def forward(self, input_ids):
        return self.emb(input_ids)


# absent: state.unread
class StateKept(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(8, 4)
        self.register_buffer("seen_keys", torch.zeros(2, 16, 4))

    def forward(self, input_ids):
        x = self.emb(input_ids)
        self.seen_keys[:, : x.shape[1]] = x
        return self.seen_keys.sum(1)
