"""Celery doorways of steps 9 and 11: claim the row, call the action or the engine, hand over the result."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from celery import shared_task

from annotation.actions.quarantine import Hits
from annotation.kinds import KINDS
from annotation.models import RAW, Note
from annotation.quarantine import place_of
from annotation.tasks import hits_in
from clinicalft import jobs
from evaluation.actions import agreement, inference, reports
from evaluation.models import Inference, Output, RatingAgreement, Report
from evaluation.snapshot import result_of, write_group_folder, write_inference_folder
from training.engine.folder import RunFolder
from training.supervisor import LineReader, supervise
from training.tasks import end_well, plain_refusals

OUTPUT_TEXT = place_of("text")


@shared_task
def run_inference(inference_id: int) -> None:
    lease = jobs.claim(Inference, inference_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        jobs.heartbeat(lease, phase="writing the prompts")
        leading = Member.of(lease)
        with ExitStack() as stack:
            joined = [stack.enter_context(along_with(other)) for other in inference.join_waiting(lease)]
            answer_together(leading, [member for member in joined if member])


@dataclass
class Member:
    """One of the inferences that an engine answers together: its lease, its folder, and what is not stored yet."""

    lease: jobs.Lease
    folder: RunFolder
    reader: LineReader
    unstored: list[dict[str, Any]] = field(default_factory=list)
    is_ended: bool = False
    refusal: str = ""

    @classmethod
    def of(cls, lease: jobs.Lease) -> Self:
        """Its prompts are written and its answers so far will be read again: storing them twice changes nothing."""
        row = Inference.objects.select_related("adapter__run", "adapter__imported", "base_model", "dataset")
        folder = write_inference_folder(row.get(pk=lease.pk))
        return cls(lease, folder, LineReader(folder.outputs_file))

    def store(self) -> None:
        """Stores what was answered since the last time; what cannot be stored now is kept for the next."""
        self.unstored += [answer for _, answer in self.reader.read()]
        if self.unstored:
            inference.record_outputs(self.lease, self.unstored, identifiers_seen)
        self.unstored = []

    def end(self, **said: Any) -> None:
        """Ends it well, or with why the engine refused it."""
        if self.refusal:
            jobs.fail(self.lease, self.refusal)
        else:
            inference.finish_inference(self.lease, **said)
        self.is_ended = True


@contextmanager
def along_with(lease: jobs.Lease) -> Iterator[Member | None]:
    """An inference that is answered along with another; None when it cannot be. It is cancelled by itself; what stops
    the other one puts this one back into its queue."""
    member: Member | None = None
    stopped: Exception | None = None
    with jobs.working(lease), plain_refusals():
        member = Member.of(lease)
    if member is None:
        yield None
        return
    with jobs.working(lease):
        try:
            with jobs.keeping(lease):
                try:
                    yield member
                except Exception as error:
                    stopped = error
        except jobs.LeaseLost:
            if not member.is_ended:
                raise
        if stopped and not member.is_ended:
            jobs.heartbeat(lease)
            jobs.hand_back(lease)
    if stopped:
        raise stopped


def answer_together(leading: Member, joined: list[Member]) -> None:
    """Runs one engine for all, the leading one last: it holds the devices until all have ended."""
    members = {member.folder.path.name: member for member in (*joined, leading)}
    group = write_group_folder(Inference.objects.get(pk=leading.lease.pk), list(members))

    def store(events: Any) -> None:
        # The engine writes an answer before it reports it: whatever was reported is there to be read.
        for member in members.values():
            if not member.is_ended:
                member.store()
        for _, event in events:
            told(members.get(event.get("folder", "")), event)

    def told(member: Member | None, event: dict[str, Any]) -> None:
        if member is None or member.is_ended:
            return
        if event["kind"] == "refused":
            member.refusal = f"{event['sentence']} {event['advice']}".strip()
        if member is leading:
            return
        try:
            if event["kind"] in ("refused", "result"):
                member.end(log_tail="", result=result_of(member.folder))
            else:
                jobs.heartbeat(member.lease, **answer_progress(event))
        except (jobs.Cancelled, jobs.LeaseLost) as fault:
            # It is stopped by stopping the engine: the others wait in their queue for a moment and go on.
            raise jobs.Interrupted from fault

    def progress(event: dict[str, Any]) -> dict[str, Any]:
        is_own = event.get("folder") == leading.folder.path.name
        return answer_progress(event) if is_own else {"phase": "waiting for the others that were started with it"}

    outcome = supervise(leading.lease, group, store, progress)
    store([])
    if end_well(leading.lease, outcome):
        leading.end(log_tail=outcome.log_tail, result=result_of(leading.folder))
    for member in joined:
        if not member.is_ended:
            member.is_ended = True
            end_well(member.lease, outcome)


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


def identifiers_seen(output: Output) -> Hits:
    """What may be an identifier in an answer; its note, the reference and the words of the labels are no news."""
    if output.example is None:
        raise ValueError("Only answers to examples of a dataset are scanned here.")
    item = output.example.item
    if item is None:
        known = f"{output.source_text}\n{output.reference}"
        imported = output.example.imported
        return hits_in({OUTPUT_TEXT: output.text}, known, None, imported.dataset_import.language if imported else None)
    labels = KINDS[item.round.kind].categories(item.round.schema.content)
    released = "\n".join((output.source_text, output.reference, *labels))
    note = Note.objects.select_related("patient").defer(*RAW).get(pk=item.note.note_id)
    return hits_in({OUTPUT_TEXT: output.text}, released, note)


@shared_task
def publish_report(report_id: int) -> None:
    lease = jobs.claim(Report, report_id)
    if lease is None:
        return
    with jobs.working(lease):
        reports.build_report(lease)


@shared_task
def compute_agreement(agreement_id: int) -> None:
    lease = jobs.claim(RatingAgreement, agreement_id)
    if lease is None:
        return
    with jobs.working(lease):
        agreement.compute_agreement(lease)
