"""The table of findings: what each says, why it matters, and how to check it by hand."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.results import Confidence, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding."""

    id: str
    severity: Severity
    confidence: Confidence
    title: str
    why: str
    """Why it matters."""
    check: str
    """How to check it by hand."""
    missing: bool = False
    """Whether it says that a piece of the model is not there, so that the class is not complete."""


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_HIGH, _MEDIUM, _LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW

_ROWS = (
    Rule(
        "stub.empty", _E, _HIGH, "A function on the path does nothing.",
        "The model calls it and goes on with None or with unchanged state, so the piece it stands for is not implemented.",
        "Open the function: its body is `pass`, `...` or a docstring. Follow the caller to see what it does with the result.",
        True,
    ),
    Rule(
        "stub.raises", _E, _HIGH, "A function that the model calls only raises NotImplementedError.",
        "Calling the model fails, or works only as long as that branch is not taken.",
        "Run the class's forward, or look for a subclass that overrides the function and is used instead.",
        True,
    ),
    Rule(
        "stub.identity", _E, _MEDIUM, "A function returns what it was given, unchanged.",
        "Its name and its other arguments promise work that is not done.",
        "Open the function: apart from checks it only returns its arguments, and at least one argument is never read.",
        True,
    ),
    Rule(
        "stub.constant", _E, _MEDIUM, "A function takes tensors and returns a constant.",
        "Whatever comes in, the same comes out.",
        "Open the function: no argument takes part in what it returns.",
        True,
    ),
    Rule(
        "stub.placeholder", _W, _MEDIUM, "A part stands under its name and has no content.",
        "What the name announces is still to be written: an identity that a comment calls unfinished, a class without a body.",
        "Read the comment beside the identity; search for what the empty class was to give those that derive from it.",
        True,
    ),
    Rule(
        "output.independent", _E, _HIGH, "No output depends on any input.",
        "The model ignores what it is asked about.",
        "Follow the returned value back through forward: no step reads an argument of the call.",
        True,
    ),
    Rule(
        "output.random", _N, _MEDIUM, "An output depends on random numbers, also in evaluation.",
        "Two runs on one input differ; in a generative vocoder that is meant, in a classifier it hides a missing piece.",
        "Find the call of randn or rand on the line and whether the paper samples there.",
    ),
    Rule(
        "output.uninitialized", _E, _MEDIUM, "An output is made of memory that nothing wrote.",
        "torch.empty returns what happens to be there.",
        "Follow the tensor from the line shown: no index assignment, copy or fill writes it before it is used.",
        True,
    ),
    Rule(
        "rotation.unused",
        _E,
        _HIGH,
        "A tensor is rotated by its position, and nothing reads the result.",
        "Queries or keys go into the scores unrotated, so that the scores do not depend on relative positions.",
        "Follow both results of the rotary function: one of them is dropped, and the unrotated tensor is used.",
        True,
    ),
    Rule(
        "rotation.unmoving", _E, _HIGH, "Every position is rotated by the same angles.",
        "Queries and keys that are turned alike have the scores that they have unturned: the model does not know positions.",
        "Follow the positions that the cosines and sines are made of: they are filled with one number and not counted up.",
        True,
    ),
    Rule(
        "parameter.unread", _W, _HIGH, "A parameter or submodule is built, and no line reads it.",
        "It takes memory and a place in the checkpoint, and changes no output: a piece that was declared and not wired in.",
        "Search the file for the attribute: only the line that builds it has it.",
        True,
    ),
    Rule(
        "parameter.dropped", _E, _HIGH, "What parameters compute reaches no output.",
        "The work is carried out and its result is left alone, so the piece could as well not be there.",
        "Follow the result from the line shown: nothing reads it, or another value replaces it first.",
        True,
    ),
    Rule(
        "parameter.aside", _W, _MEDIUM, "Parameters of a layer reach a side output only.",
        "They are returned beside the answer and have no part in it: a router whose scores choose nothing.",
        "Follow what the module returns: it goes into the returned tuple, and not into the layer's own result.",
        True,
    ),
    Rule(
        "module.uncalled", _W, _HIGH, "Some elements of a list of modules never run while others do.",
        "The list has the announced number of layers or experts and the model uses fewer.",
        "Look at the loop or the index over the list: it does not come to the elements named.",
        True,
    ),
    Rule(
        "module.shared", _W, _HIGH, "One module is listed several times.",
        "The layers have the same weights: the list has the announced number, and the model has one.",
        "`[Layer(…)] * n` calls the constructor once; a comprehension calls it for every layer.",
        True,
    ),
    Rule(
        "parameter.unreached", _N, _MEDIUM, "Parameters that this run of forward did not use.",
        "They serve another path (training, another input, another setting), or they are dead.",
        "Search for the attribute and read the condition under which it is used.",
    ),
    Rule(
        "module.overwritten", _W, _HIGH, "A submodule is built, and then built again over itself.",
        "The first one is thrown away: either the second line is a mistake or the first is left over.",
        "Both assignments stand in one block with nothing between them that reads the attribute.",
    ),
    Rule(
        "module.unregistered", _E, _HIGH, "Modules are kept in a plain list or dict, so torch does not know them.",
        "Their parameters are missing from state_dict, from the optimizer and from `.to(device)`.",
        "The attribute is a Python list or dict; torch sees only nn.ModuleList and nn.ModuleDict.",
        True,
    ),
    Rule(
        "argument.dropped", _N, _MEDIUM, "An argument is accepted and never read.",
        "What the caller passes has no effect; in an attention function that can be the mask or the scale.",
        "Search the function's body for the argument's name.",
    ),
    Rule(
        "value.unused", _W, _MEDIUM, "A value is computed and nothing reads it.",
        "A step of the computation is carried out and its result is dropped: the next step uses the value from before.",
        "Search for the name after the line: it is never read before the function ends.",
    ),
    Rule(
        "value.zeroed", _E, _HIGH, "A computed value is multiplied by zero.",
        "Whatever the part computes, it adds nothing.",
        "The factor on the line is the literal zero.",
        True,
    ),
    Rule(
        "loop.idle", _E, _HIGH, "A loop goes through modules and does nothing with them.",
        "The layers are built and never run.",
        "The loop's variable does not stand in the loop's body.",
        True,
    ),
    Rule(
        "position.unused", _E, _MEDIUM, "Position information is computed and not applied.",
        "What a module without parameters makes of the positions reaches no output, so that the order of the tokens has no part in it.",
        "Follow the result of the module from the line shown to the function that takes it and never reads it.",
        True,
    ),
    Rule(
        "mask.unused", _E, _MEDIUM, "A mask is computed and not applied.",
        "Tokens see what the mask was to hide: padding, or what comes after them.",
        "Follow the mask from the line shown to the function that takes it and never reads it.",
        True,
    ),
    Rule(
        "argument.kept", _N, _MEDIUM, "An argument is accepted and not handed on to the part that takes one of the same name.",
        "What the caller passes has no effect, although the part could use it: a mask that stays behind.",
        "Search the function's body for the argument's name, and look at the call of the part in the message.",
    ),
    Rule(
        "state.unread", _W, _MEDIUM, "An empty buffer is registered, and no line reads or writes it.",
        "A state or cache is announced and never kept.",
        "Search the file for the attribute: only the line that registers it has it.",
        True,
    ),
    Rule(
        "cache.dropped", _W, _MEDIUM, "A cache is accepted, and nothing reads or writes it.",
        "Generating token by token with it gives wrong answers: keys and values of earlier tokens are not there.",
        "Search the file for the argument: it is passed on and never updated or indexed.",
        True,
    ),
    Rule(
        "config.unread", _W, _MEDIUM, "A setting is declared, and nothing reads it.",
        "Changing it changes nothing, although the configuration says that the model has it.",
        "Search the model's folder and the library for the name: only the configuration has it.",
    ),
    Rule(
        "config.hollow", _E, _MEDIUM, "Most settings of a configuration are read by nothing.",
        "The configuration announces features that the code does not have.",
        "Search the model's folder for the names that are listed as unread.",
        True,
    ),
    Rule(
        "config.undefined", _W, _MEDIUM, "A setting is read that no configuration defines.",
        "Reading it fails with AttributeError unless every published configuration happens to have it.",
        "Search the configuration classes for the name.",
    ),
    Rule(
        "config.overridden", _W, _HIGH, "A value read from the configuration is replaced by a literal.",
        "The setting is read and has no effect.",
        "The two assignments stand in one block, the second with a literal and nothing that reads the first between them.",
    ),
    Rule(
        "config.literal", _W, _MEDIUM, "A literal stands where the same code elsewhere reads the setting.",
        "The value is right for the default configuration and wrong for every other.",
        "Compare the line with the related one: the same argument of the same class is a setting there.",
    ),
    Rule(
        "name.unresolved", _E, _HIGH, "A name is used that nothing defines.",
        "Reaching the line fails with NameError: a function or class is missing.",
        "Search the file for a definition or an import of the name.",
        True,
    ),
    Rule(
        "count.differs", _W, _MEDIUM, "Layers, heads or experts are built in a number that no setting gives.",
        "The configuration announces one number and the model has another.",
        "Count what the constructor builds and compare it with the settings.",
    ),
    Rule(
        "state.unregistered", _W, _MEDIUM, "A random tensor is a plain attribute, neither parameter nor buffer.",
        "Saving the model loses it, and loading brings another one.",
        "The attribute is assigned a tensor without nn.Parameter or register_buffer.",
    ),
    Rule(
        "init.missing", _W, _MEDIUM, "A parameter starts as uninitialised memory and nothing initialises it.",
        "A model that is trained from scratch, or that loads a checkpoint without it, starts from garbage.",
        "Search `_init_weights`, `reset_parameters` and the constructor for the parameter's name.",
    ),
    Rule(
        "code.unreachable", _W, _HIGH, "Code stands behind a return or raise.",
        "It never runs: what it was to do is missing.",
        "The statement before it in the same block always leaves.",
    ),
    Rule(
        "branch.never", _W, _HIGH, "A branch that no configuration can reach.",
        "Its code never runs.",
        "The condition has the same value whatever the settings are.",
    ),
    Rule(
        "comment.todo", _N, _LOW, "A TODO or FIXME on the path.",
        "The author says that something is not finished.",
        "Read the comment.",
    ),
    Rule(
        "forward.missing", _E, _HIGH, "A class has no forward, and nothing else of its own.",
        "Nothing says what the model computes.",
        "Look for `def forward` in the class and in its bases.",
        True,
    ),
    Rule(
        "forward.raises", _E, _MEDIUM, "Calling the model fails.",
        "With the default configuration and plain inputs the forward pass ends in an exception.",
        "Read the line shown with the shapes in the message; the lines below it lead there.",
        True,
    ),
    Rule(
        "source.package", _N, _HIGH, "Work is done in another package.",
        "What that package computes is not in this source.",
        "Open the package at the version that the code asks for.",
    ),
    Rule(
        "source.kernel", _N, _HIGH, "A kernel from the hub or a compiled extension takes over.",
        "What runs is not the Python code shown.",
        "Open the kernel's repository; compare it with the Python code it replaces.",
    ),
    Rule(
        "source.choice", _N, _HIGH, "What runs is chosen from a table when the model is loaded.",
        "One entry was followed; the others, and what they use that is not in this source, may compute something else.",
        "Open the entries listed; follow another one with `--attention NAME`, or with `--set` where a setting chooses.",
    ),
    Rule(
        "source.remote_code", _N, _HIGH, "Code from a repository may be loaded and run.",
        "What runs depends on what is published there.",
        "Read that repository's code at a fixed revision.",
    ),
    Rule(
        "source.download", _N, _HIGH, "Something is downloaded.",
        "What the model is depends on what is published there.",
        "Follow the address or repository name on the line.",
    ),
    Rule(
        "source.file", _N, _MEDIUM, "Files are read or written.",
        "The model depends on, or changes, the machine it runs on.",
        "Follow the path on the line.",
    ),
    Rule(
        "source.process", _N, _HIGH, "A process is started or the environment is read.",
        "The model depends on, or changes, the machine it runs on.",
        "Read the command or variable on the line.",
    ),
    Rule(
        "source.dynamic", _N, _HIGH, "Code is made at run time.",
        "What runs is not in this source.",
        "Follow the text or the bytes that are executed.",
    ),
    Rule(
        "suppression.unused", _N, _HIGH, "A suppression comment that suppresses nothing.",
        "It hides a finding that may come back for another reason.",
        "Remove the comment.",
    ),
    Rule(
        "suppression.unexplained",
        _N,
        _HIGH,
        "A suppression comment without a reason.",
        "Nobody can tell later whether it still holds.",
        "Write the reason behind the bracket.",
    ),
)  # fmt: skip

RULES: dict[str, Rule] = {rule.id: rule for rule in _ROWS}
"""By id."""
