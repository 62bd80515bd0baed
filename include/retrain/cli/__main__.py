"""`python -m retrain.cli` runs the command `retrain`."""

import sys

from retrain.cli.main import main

sys.exit(main())
