"""Makes a benchmark measure the checkout that it stands in, whatever package is installed: import it before specdiff.

Processes that the benchmark starts inherit it through `PYTHONPATH`.
"""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
sys.path.insert(0, ROOT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))
