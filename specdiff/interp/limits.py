"""Budgets. Reaching one makes the value unknown, with the limit's name and the line; it never hangs or crashes."""

from __future__ import annotations

MAX_CALL_DEPTH = 150
"""Nested calls of analysed code. Deep model trees stay below 40; beyond this the code recurses without end.
Each analysed call takes about five host frames, so this also stays clear of the host's own recursion limit."""

MAX_RECURSION = 6
"""Nested calls of one function while a run goes on after errors, where nothing decides when a recursion ends."""

MAX_STEPS = 4_000_000
"""Statements executed for one model class. The largest model of transformers 5 takes some 600,000."""

MAX_OPERATIONS = 500_000
"""Operations of one run of ``forward``, each of which takes up to a kilobyte. The longest run of a class of transformers 5
has some 60,000."""

MAX_TERMS = 200
"""Terms of one symbolic size; a longer sum becomes a size of which nothing is known."""

MAX_LOOP = 20_000
"""Turns of a loop that nothing bounds (``while``, an endless iterator), and items taken from one tensor."""

MAX_ITEMS = 500_000
"""Turns of a loop over items that are there. Real models loop over layers, experts and label ids; some fill a table with
an entry per position."""

MAX_CONST_ELEMENTS = 65_536
"""Elements of a tensor or list whose content is computed rather than only its shape."""

MAX_LISTED = 1_024
"""Numbers of a tensor that is turned into a list without its content being known."""

MAX_TRACKED_VARIANTS = 24
"""Recorded variants of one constructor before its integer arguments are no longer generalised over."""

MAX_INPUT_CHOICES = 8
"""Sets of inputs that an entry ``forward`` is tried with before it counts as not followed. The right one is mostly the
first; code that wants another shape refuses it within its first few statements."""
