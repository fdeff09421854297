"""What came of an inference: its answers counted, for its page and for the shell."""

from typing import Any

from django.db.models import Count, Func, IntegerField, Q, Sum

from clinicalft.stats.intervals import exact_rate
from evaluation.models import Inference, Output
from evaluation.visibility import held


def counts_of(inference: Inference) -> dict[str, Any]:
    """What came of an inference so far: answers, how many are cut, held back or equal to the reference, the share of
    these as an Estimate, and the mean log-probability of a token; None where there is none to count."""
    counts = inference.outputs.aggregate(
        n=Count("pk"), n_compared=Count("pk", filter=Q(is_match__isnull=False)),
        n_match=Count("pk", filter=Q(is_match=True)),
        n_held=Count("pk", filter=held(Output.objects.all())), n_cut=Count("pk", filter=Q(finish="length")),
        n_logprobs=Count("logprob"), sum_logprobs=Sum("logprob"), n_scored=Sum(_n_scored()),
    )  # fmt: skip
    return {
        **counts,
        "mean_logprob": counts["sum_logprobs"] / counts["n_scored"] if counts["n_scored"] else None,
        "match": exact_rate(counts["n_match"], counts["n_compared"]) if counts["n_compared"] else None,
    }


def _n_scored() -> Func:
    """How many tokens of an answer have a log-probability, its end of turn included."""
    return Func("token_logprobs", function="jsonb_array_length", output_field=IntegerField())
