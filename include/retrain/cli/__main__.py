"""`python -m retrain.cli`, which is `retrain`."""

import sys

from retrain.cli.main import main

sys.exit(main())
