"""`python -m visionops.cli`, where the console script is not on the path."""

from . import main

raise SystemExit(main())
