# Set-up, the same cell in every notebook: find the course, then choose the cohort.
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = ""  # the course's public address; empty until it is known
starts = [Path.cwd(), Path(os.environ.get("JPY_SESSION_NAME", ".")), Path(sys.prefix)]
places = [p for s in starts for p in (s, s / "chest-xray-course", *s.resolve().parents)]
homes = [p.resolve() for p in places if (p / "util" / "cohort.py").is_file()]
if not homes and REPOSITORY and "google.colab" in sys.modules:
    subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, "chest-xray-course"], check=True)
    homes = [Path("chest-xray-course").resolve()]
if not homes:
    raise FileNotFoundError("The course is not found here: open this notebook from a clone of the course.")
sys.path.insert(0, str(homes[0]))

from util.cohort import load_cohort
from util.colab import install_missing

install_missing()  # does something on Colab only
cohort = load_cohort()  # phantom films, or real ones by the environment variables COHORT and CXR_ROOT
print(cohort)
