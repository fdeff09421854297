"""Celery doorways of steps 9 and 11: claim the row, call the action or the engine, hand over the result."""

from typing import Any

from celery import shared_task

from clinicalft import jobs
from evaluation.actions import inference, reports
from evaluation.models import Inference, Report
from evaluation.snapshot import write_inference_folder
from training.supervisor import LineReader, supervise
from training.tasks import end_well, plain_refusals

SECONDS_PER_ANSWER = 20.0


@shared_task
def run_inference(inference_id: int) -> None:
    lease = jobs.claim(Inference, inference_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        jobs.heartbeat(lease, phase="writing the prompts")
        row = Inference.objects.select_related("adapter__run", "base_model", "dataset").get(pk=inference_id)
        folder = write_inference_folder(row)
        answers = LineReader(folder.outputs_file)

        def store(events: Any) -> None:
            # The engine writes an answer before it reports it: whatever was reported is there to be read.
            if new := [answer for _, answer in answers.read()]:
                inference.record_outputs(lease, new, identifiers_seen)

        outcome = supervise(lease, folder, store, answer_progress)
        store([])
        if end_well(lease, outcome):
            inference.finish_inference(lease, log_tail=outcome.log_tail)


def answer_progress(event: dict[str, Any]) -> dict[str, Any]:
    """Progress fields of an inference from one event of the engine: how many answers there are."""
    if event["kind"] == "start":
        return {
            "phase": "answering",
            "n_total": event["steps"],
            "n_done": event["step"],
            "n_done_at_start": event["step"],
        }
    return {"n_done": event["step"]} if event["kind"] == "step" else {}


def identifiers_seen(text: str) -> list[str]:
    """Labels of what the second scan takes for an identifier in an answer; one that cannot be scanned is held, too."""
    # Loading it takes seconds, so only a worker that answers does.
    from annotation.deid.clock import time_limit
    from annotation.deid.faults import DeidError
    from annotation.deid.residual import residual_spans

    try:
        with time_limit(SECONDS_PER_ANSWER):
            return [span.label for span in residual_spans(text)]
    except DeidError:
        return ["it could not be scanned in time"]


@shared_task
def publish_report(report_id: int) -> None:
    lease = jobs.claim(Report, report_id)
    if lease is None:
        return
    with jobs.working(lease):
        reports.build_report(lease)
