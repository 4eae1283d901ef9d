"""Bench of a year in the clinic: drawing it, running it by rules, and the oracle; goal under 5 seconds on one core."""

from tests.bench import best, row


def bench():
    """One year of 5,200 films, and 400 quiet ones for a monitor's limit."""
    from util.clinic.pools import read_pools
    from util.clinic.rules import Rules, learn_reference, oracle_year, run_year, weekly_z
    from util.clinic.year import plan_events, simulate_year

    pools = read_pools()
    usual = learn_reference(simulate_year(pools, seed=1000, weeks=26))

    def whole_year():
        year = simulate_year(pools, plan_events(1), seed=1)
        run_year(year, Rules(0.05, 0.35), usual)
        oracle_year(year, pools, usual)

    row("a year in the clinic, its rules and the oracle: seconds", f"{best(whole_year):.2f}", "goal 5 s")
    quiet = best(lambda: [weekly_z(simulate_year(pools, seed=k), usual) for k in range(400)])
    row("  400 quiet years with three monitors: seconds", f"{quiet:.2f}")
