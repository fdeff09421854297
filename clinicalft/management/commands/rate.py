import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinicalft.stats.intervals import BadCounts, exact_rate, largest_k, required_n, wilson_rate
from clinicalft.stats.results import Estimate


class Command(BaseCommand):
    """Exact 95% limits of K events in N items; with --target P also the N that shows less than P with K events."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("k", type=int, metavar="K", help="events")
        parser.add_argument("n", type=int, metavar="N", help="items looked at")
        parser.add_argument("--target", type=float, metavar="P", help="rate to stay below, such as 0.02")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = rate_summary(options["k"], options["n"], options["target"])
        except BadCounts as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(json.dumps(found) if options["json"] else _readable(found))


def rate_summary(k: int, n: int, target: float | None) -> dict[str, Any]:
    """Rate, two-sided exact and Wilson limits and one-sided 95% limits; with a target what shows the rate below it."""
    exact, upper = exact_rate(k, n), exact_rate(k, n, sided="upper")
    found: dict[str, Any] = {
        "k": k,
        "n": n,
        "rate": exact.value,
        "clopper_pearson_95": _limits(exact),
        "one_sided_upper_95": upper.high,
        "one_sided_lower_95": exact_rate(k, n, sided="lower").low,
        "wilson_95": _limits(wilson_rate(k, n)),
        "method": exact.method,
        "status": exact.status,
        "reason": exact.reason,
    }
    if target is not None:
        found |= {
            "target": target,
            "shown_below_target": upper.high is not None and upper.high < target,
            "required_n": required_n(k, target),
            "largest_k": largest_k(n, target),
        }
    return found


def _limits(estimate: Estimate) -> list[float] | None:
    return None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]


def _readable(found: dict[str, Any]) -> str:
    k, n = found["k"], found["n"]
    if found["rate"] is None:
        lines = [f"{k} of {n}: rate undefined, {found['reason']}"]
    else:
        low, high = found["clopper_pearson_95"]
        lines = [
            f"{k} of {n}: {found['rate']:.4%}, exact 95% limits {low:.4%} to {high:.4%}",
            f"compatible with up to {found['one_sided_upper_95']:.4%} (one-sided 95%)",
        ]
    if "target" in found:
        word = "shown" if found["shown_below_target"] else "not shown"
        most = found["largest_k"]
        allowed = f"{n} items allow {most} events at most" if most is not None else f"{n} items are too few with none"
        lines.append(f"below {found['target']:g}: {word}; {k} events need {found['required_n']} items; {allowed}")
    return "\n".join(lines)
