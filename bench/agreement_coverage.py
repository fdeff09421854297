"""How often the reported 95% interval holds the true agreement, on simulated ratings; prints one JSON line.

Each run: items of patients who resemble each other, three raters who err, a part of the ratings missing by design.
The truth is the same coefficient on very many items. Run: python bench/agreement_coverage.py [--runs N]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from clinicalft.stats.alpha import krippendorff_alpha
from clinicalft.stats.chance import fleiss_kappa, gwet_ac
from clinicalft.stats.ratings import MISSING, RatingTable
from clinicalft.stats.results import Estimate

RATERS, OUTPUTS_PER_PATIENT, POSITIVES, MISSING_SHARE, ERROR_SHARE, ICC = 3, 5, 0.1, 0.3, 0.02, 0.1
STATISTICS: dict[str, Callable[..., Estimate]] = {
    "fleiss_kappa": fleiss_kappa,
    "gwet_ac1": gwet_ac,
    "krippendorff_alpha_nominal": partial(krippendorff_alpha, metric="nominal"),
}


def simulated(n_items: int, rng: np.random.Generator) -> RatingTable:
    """Binary ratings; the chance of a positive item varies between patients so that items correlate by `ICC`."""
    n_patients = n_items // OUTPUTS_PER_PATIENT
    spread = (1 - ICC) / ICC
    of_patient = rng.beta(POSITIVES * spread, (1 - POSITIVES) * spread, n_patients)
    cluster = np.repeat(np.arange(n_patients), OUTPUTS_PER_PATIENT)
    truth = rng.random(n_items) < of_patient[cluster]
    wrong: NDArray[np.bool_] = rng.random((n_items, RATERS)) < ERROR_SHARE
    codes = (truth[:, None] ^ wrong).astype(np.int64)
    codes[rng.random(codes.shape) < MISSING_SHARE] = MISSING
    names = tuple(f"R{number}" for number in range(1, RATERS + 1))
    return RatingTable(codes, ("no", "yes"), names, tuple(range(n_items)), cluster=cluster)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, started = np.random.default_rng(options.seed), time.perf_counter()
    truth = {name: compute(simulated(2_000_000, rng).patterns).value for name, compute in STATISTICS.items()}
    held = dict.fromkeys(STATISTICS, 0)
    defined = dict.fromkeys(STATISTICS, 0)
    for _ in range(options.runs):
        patterns = simulated(options.items, rng).patterns
        for name, compute in STATISTICS.items():
            found = compute(patterns, clustered=True)
            if found.low is not None and found.high is not None:
                defined[name] += 1
                held[name] += found.low <= (truth[name] or 0.0) <= found.high
    print(
        json.dumps(
            {
                "bench": "agreement_coverage",
                "items": options.items,
                "raters": RATERS,
                "positives": POSITIVES,
                "missing": MISSING_SHARE,
                "outputs_per_patient": OUTPUTS_PER_PATIENT,
                "runs": options.runs,
                "seed": options.seed,
                "true_value": {name: round(value or 0.0, 4) for name, value in truth.items()},
                "coverage_of_95": {name: round(held[name] / max(defined[name], 1), 4) for name in STATISTICS},
                "without_interval": {name: options.runs - defined[name] for name in STATISTICS},
                "seconds": round(time.perf_counter() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
