"""python -m util.course.website"""

import sys

from util.course.website import main

sys.exit(main())
