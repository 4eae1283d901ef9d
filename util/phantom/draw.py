"""Draw a simulated cohort: python -m util phantom --n 20 --seed 7 --out DIR"""

from util.command import argument_parser, command
from util.errors import CourseError
from util.phantom.embedded import SIZES, write_cohort
from util.phantom.shards import render_shards


def split_sizes(n):
    """Sizes of the splits that share ``n`` films as the embedded cohort's 1,860 are shared."""
    total = sum(SIZES.values())
    sizes = {split: round(n * size / total) for split, size in SIZES.items()}
    return sizes | {"train": n - sum(sizes.values()) + sizes["train"]}


@command()
def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("phantom", __doc__)
    parser.add_argument("--n", type=int, required=True, help="number of films")
    parser.add_argument("--seed", type=int, required=True, help="same seed, same films")
    parser.add_argument("--out", required=True, help="folder to write; must be new or empty")
    parser.add_argument("--size", type=int, default=320, help="pixels a side (320)")
    parser.add_argument("--workers", type=int, help="processes (one per core)")
    parser.add_argument("--natural", action="store_true", help="prevalences of ChestX-ray14, nothing enriched")
    parser.add_argument("--shards", action="store_true", help="uncompressed chunks for training; resumes")
    parser.add_argument(
        "--subtle", action="store_true", help="with --shards: findings hardly show, for real films' sake"
    )
    options = parser.parse_args(arguments)
    rest = {"size": options.size, "workers": options.workers, "enriched": not options.natural}
    if options.subtle and not options.shards:
        raise CourseError("--subtle is for films to train on: add --shards")
    if options.shards:
        render_shards(options.out, options.n, options.seed, subtle=options.subtle, **rest)
    else:
        write_cohort(options.out, split_sizes(options.n), options.seed, **rest)
    print(f"{options.n} simulated films in {options.out}. Not for clinical use.")
