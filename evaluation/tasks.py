"""Celery doorways of steps 9 and 11: claim the row, call the action or the engine, hand over the result."""

from typing import Any

from celery import shared_task

from annotation.tasks import deidentifier
from clinicalft import jobs
from evaluation.actions import inference, reports
from evaluation.models import Inference, Report
from evaluation.snapshot import write_inference_folder
from training.supervisor import LineReader, supervise
from training.tasks import end_well, plain_refusals


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
    """Labels of what the second scan takes for an identifier in an answer, in the order of the text."""
    return [span.label for span in deidentifier().second_scan(text)]


@shared_task
def publish_report(report_id: int) -> None:
    lease = jobs.claim(Report, report_id)
    if lease is None:
        return
    with jobs.working(lease):
        reports.build_report(lease)
