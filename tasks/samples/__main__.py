"""`python -m gpteval_tasks.samples [DIR]`: write the samples again (default: into the package)."""

from __future__ import annotations

import sys
from pathlib import Path

from gpteval_tasks.samples.write import write

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    sys.stdout.writelines(f"{path}\n" for path in write(target))
