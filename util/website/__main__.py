"""python -m util.website"""

import sys

from util.website import main

sys.exit(main())
