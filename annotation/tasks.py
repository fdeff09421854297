"""Celery doorways of steps 1 to 5: claim the row, call the pure code, hand the result to an action."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from celery import shared_task
from django.conf import settings

from annotation import importers
from annotation.actions import agreement, batches, notes, policies, quarantine, tallies
from annotation.actions.notes import Finding
from annotation.actions.quarantine import Hits
from annotation.deid import (
    LABELS,
    METHOD_VERSION,
    TAGS,
    DeidError,
    KnownIdentifiers,
    Policy,
    Replaced,
    Replacer,
    Span,
    replace,
)
from annotation.deid.measured import OWN_TAGGER
from annotation.deid.settings import PASSES, Settings
from annotation.deid.terms import without_allowed
from annotation.deid.transformer import TransformerPass
from annotation.gold import cleaned
from annotation.lessons import terms_of
from annotation.models import (
    Agreement,
    Batch,
    Deidentification,
    DeidentifiedNote,
    Note,
    NoteStatus,
    PatientLink,
    QuarantinedText,
    TextScan,
    TextStatus,
)
from annotation.quarantine import texts_of
from annotation.rules.batches import ROWS_AT_ONCE, note_index, sorted_rows
from clinicalft import jobs
from clinicalft.access import Refused
from clinicalft.crypto import Undecipherable

if TYPE_CHECKING:
    from annotation.deid.detect import Deidentifier

# A raw note is full of identifiers, a text about a cleaned one hardly ever holds any: what is right to redact there on
# a suspicion would hold back every third text here (docs/quarantine.md has the figures).
SURE = 0.9
NOTES_AT_ONCE = 20
TEXTS_AT_ONCE = 50


@contextmanager
def quiet_when_lost() -> Iterator[None]:
    """A worker whose lease went to another one stops without a word: whatever it wrote is whole, the rest is theirs."""
    try:
        yield
    except jobs.LeaseLost:
        return


# ---------- step 1


@shared_task
def import_notes(pk: int) -> None:
    """Checks every row of a batch's file, then writes the notes; a second start goes on where the first ended."""
    lease = jobs.claim(Batch, pk)
    if lease is None:
        return
    with quiet_when_lost():
        try:
            _import(lease, Batch.objects.get(pk=pk))
        except jobs.Cancelled:
            batches.drop_import(lease)
        except (importers.ImportFault, Undecipherable, Refused) as fault:
            batches.fail_import(lease, str(fault))


def _import(lease: jobs.Lease, batch: Batch) -> None:
    records, rejected = sorted_rows(
        batch.content or "", batch.file_name, batch.mapping, digest=batch.file_sha256, project_id=batch.project_id,
        batch=batch, tick=lambda: jobs.heartbeat(lease, phase="Checking the rows"),
    )  # fmt: skip
    if not records or (rejected and not batch.skip_bad_rows):
        batches.fail_import(lease, _nothing_imported(len(records), len(rejected)), rejected)
        return
    done = batches.added_indexes(batch)
    left = [record for record in records if note_index(batch.project_id, record) not in done]
    n_done = len(records) - len(left)
    jobs.heartbeat(lease, n_done=n_done, n_total=len(records), phase="Writing notes into quarantine")
    for start in range(0, len(left), ROWS_AT_ONCE):
        batches.add_notes(lease, left[start : start + ROWS_AT_ONCE])
        jobs.heartbeat(lease, n_done=min(n_done + start + ROWS_AT_ONCE, len(records)))
    batches.finish_import(lease, rejected, method=METHOD_VERSION)


def _nothing_imported(n_good: int, n_bad: int) -> str:
    if not n_good:
        return "No row of this file could be imported; the list of rows says why."
    rows = "1 row has a problem" if n_bad == 1 else f"{n_bad} rows have problems"
    return f"{rows}, so nothing was imported. Mend the file, or import the good rows and leave the rest out."


# ---------- step 2


def deidentifier(project: int | None = None) -> "Deidentifier":
    """The one of this worker process, or that with the terms of a project; its passes are loaded once.

    Loading takes seconds, so only who de-identifies does. Raises DeidError when the model of this site is not whole.
    """
    return _deidentifier(*(terms_of(project) if project else ((), ())), is_sure=False)


def sure_deidentifier(project: int | None = None) -> "Deidentifier":
    """As `deidentifier`, but its models mark a word only when they are sure; rules and known identifiers stay."""
    return _deidentifier(*(terms_of(project) if project else ((), ())), is_sure=True)


@lru_cache(maxsize=8)
def _deidentifier(allow: tuple[str, ...], deny: tuple[tuple[str, str], ...], *, is_sure: bool) -> "Deidentifier":
    from annotation.deid.detect import Deidentifier

    chosen = changed(site_settings(), allow=allow, deny=deny)
    finder = Deidentifier(changed(chosen, cut=SURE, transformer_cut=SURE) if is_sure else chosen)
    for each in finder.passes:
        if isinstance(each, TransformerPass):
            each.load()
    return finder


def method() -> str:
    """The version of the method, with the digest of the site's own tagger, and digest and cut of a transformer."""
    from annotation.deid.tagger.artefact import read_card

    models = [each.method for each in deidentifier().passes if isinstance(each, TransformerPass)]
    own = [f"{OWN_TAGGER}{str(read_card(settings.DEID_TAGGER)['sha256'])[:8]}"] if settings.DEID_TAGGER else []
    return "+".join([METHOD_VERSION, *own, *models])


def site_settings() -> Settings:
    """The passes of this site: with DEID_TAGGER its own weights, with DEID_MODEL the transformer as well."""
    tagger = str(settings.DEID_TAGGER or "")
    if settings.DEID_MODEL is None:
        return Settings(tagger=tagger)
    return Settings(passes=(*PASSES, "transformer"), transformer=str(settings.DEID_MODEL), tagger=tagger)


@shared_task
def deidentify_batch(pk: int) -> None:
    """De-identifies what is still in quarantine of a batch, the notes of one patient together."""
    lease = jobs.claim(Deidentification, pk)
    if lease is None:
        return
    with quiet_when_lost():
        try:
            _deidentify(lease, Deidentification.objects.select_related("batch__project").get(pk=pk).batch)
        except jobs.Cancelled:
            jobs.cancelled(lease)
        except (Undecipherable, DeidError) as fault:
            # Nothing is read without all passes: the notes stay in quarantine, and it goes on when that is mended.
            jobs.fail(lease, str(fault))


def _deidentify(lease: jobs.Lease, batch: Batch) -> None:
    used = method()
    n_total = batch.notes.count()
    policy = policies.policy_of(batch)
    waiting = batch.notes.filter(status=NoteStatus.IMPORTED).select_related("patient__link")
    waiting = waiting.order_by("patient_id", "pk")
    n_done = n_total - waiting.count()
    jobs.heartbeat(lease, n_done=n_done, n_total=n_total, phase="Finding identifiers")
    while some := list(waiting[:NOTES_AT_ONCE]):
        findings: list[Finding] = []
        links: list[PatientLink] = []
        finder = deidentifier(batch.project_id)
        for _, of_patient in groupby(some, key=lambda note: note.patient_id):
            together = list(of_patient)
            findings += findings_of(together, finder, policy, lambda: jobs.heartbeat(lease))
            if policy.needs_link and (link := policies.link_of(together[0].patient)):
                links.append(link)
            jobs.heartbeat(lease, n_done=n_done + len(findings))
        try:
            notes.deidentify_notes(lease, findings, method=used, links=links)
        except policies.LinkMoved:
            continue
        n_done += len(findings)
    jobs.finish(lease, n_done=n_done)


def findings_of(
    of_patient: Sequence[Note], finder: "Deidentifier", policy: Policy = TAGS, tick: Callable[[], None] = lambda: None
) -> list[Finding]:
    """The findings in one patient's notes, replaced as `policy` has it; the link of the first of them remembers the
    surrogates. Where the whole cannot be done, each note is tried alone.
    """
    patient = of_patient[0].patient
    for note in of_patient:
        note.patient = patient
    known = policies.known_of(patient)
    try:
        texts = [note.text for note in of_patient]
        languages = {note.language for note in of_patient}
        found = finder.find_together(texts, known, languages.pop() if len(languages) == 1 else "")
        replacer = policies.replacer_for(policy, patient)
        results = replacer.replace_together(texts, found, [note.language for note in of_patient])
        findings = [
            _finding(note, result, replacer, known, finder)
            for note, result in zip(of_patient, results, strict=True)
        ]  # fmt: skip
        if replacer.surrogates:
            patient.link.memory = replacer.memory
        return findings
    except Exception as fault:
        # Whatever goes wrong with a note holds that note back and no other: it fails closed. The message of an error
        # of somebody else's code could hold note text, so only its kind is said.
        if len(of_patient) > 1:
            alone = []
            for note in of_patient:
                # One note may take nearly as long as a claim lasts; between two of them the claim is renewed.
                tick()
                alone += findings_of([note], finder, policy)
            return alone
        return [Finding(of_patient[0], None, held_reason=_said(fault, "note")[:200])]


def _said(fault: Exception, what: str) -> str:
    return str(fault) if isinstance(fault, DeidError) else f"The method failed on this {what} ({type(fault).__name__})."


def _finding(
    note: Note, replaced: Replaced, replacer: Replacer, known: KnownIdentifiers, finder: "Deidentifier"
) -> Finding:
    # A surrogate looks like an identifier, as it should: what was missed shows only between tags.
    tagged = replace(note.text, replaced.originals)
    seen = without_allowed(tagged.text, finder.second_scan(tagged.text, known), finder.settings.allow)
    suspects = tuple(
        changed(span, start=tagged.to_original(span.start), end=tagged.to_original(span.end - 1) + 1) for span in seen
    )

    def clean(text: str) -> str:
        return replacer.replace_together([text], [finder.find(text, known, note.language)], [note.language])[0].text

    gold = cleaned(note.gold, clean)
    return Finding(note, replaced, gold, suspects, _suspicion(suspects))


def _suspicion(suspects: Sequence[Span]) -> str:
    if not suspects:
        return ""
    kinds = sorted({LABELS[span.label].name.lower() for span in suspects})
    return f"A second scan still sees what may be an identifier: {'; '.join(kinds)}."[:200]


# ---------- texts that enter later


@shared_task
def scan_texts(pk: int) -> None:
    """Looks for identifiers in texts that just entered; until then nobody but their authors reads them."""
    lease = jobs.claim(TextScan, pk)
    if lease is None:
        return
    with jobs.working(lease):
        language = TextScan.objects.get(pk=pk).language
        waiting = QuarantinedText.objects.filter(scan=pk, status=TextStatus.UNSCANNED).order_by("pk")
        while some := list(waiting.select_related("note__patient")[:TEXTS_AT_ONCE]):
            jobs.heartbeat(lease, phase="Looking for identifiers")
            quarantine.record_scan(lease, list(_scanned(some, language)))
        jobs.finish(lease)


def _scanned(texts: Sequence[QuarantinedText], language: str) -> Iterator[tuple[QuarantinedText, Hits]]:
    released = dict(
        DeidentifiedNote.objects.filter(note__in=[text.note_id for text in texts], is_current=True).values_list(
            "note_id", "text"
        )
    )
    for text, places in texts_of(texts):
        yield text, hits_in(places, released.get(text.note_id or 0, ""), text.note, language)


def hits_in(places: Mapping[str, str], released: str, note: Note | None, language: str | None = None) -> Hits:
    """What may be an identifier in the texts of one row, by place; nothing unless a rule, the second scan, a known
    identifier or a model that is sure finds something. Then the models' doubts are marked as well.

    Words that stand in the `released` text as well are left aside, unless the source names the patient so: a privacy
    officer has released them. What cannot be read is a hit: it fails closed. `language` is that of a text about no
    note, None that of the settings; what is about a note is read in the language of the note.
    """
    from annotation.deid.residual import entered_spans

    project = note.project_id if note else None
    try:
        known, spoken = (policies.known_of(note.patient), note.language) if note else (None, language)

        def seen(finder: "Deidentifier") -> Hits:
            return Hits({place: entered_spans(finder, text, released, known, spoken) for place, text in texts})

        texts = list(places.items())
        hits = seen(deidentifier(project))
        return hits if hits and seen(sure_deidentifier(project)) else Hits()
    except Exception as fault:
        # As for a note: whatever goes wrong holds this text back and no other.
        return Hits(reason=_said(fault, "text"))


# ---------- step 5


@shared_task
def measure_agreement(pk: int) -> None:
    """Measures one closed round."""
    lease = jobs.claim(Agreement, pk)
    if lease is None:
        return
    with jobs.working(lease):
        agreement.compute_agreement(lease)


@shared_task
def fold_tallies() -> None:
    """Beat calls it every few seconds: changes are added to the counts of their rounds, so that pages read few."""
    for round in tallies.rounds_to_fold():
        tallies.fold(round)


@shared_task
def compare_tallies() -> None:
    """Beat calls it every night: the counts of every round must equal a full recount."""
    for round in tallies.rounds_counted():
        tallies.compare(round)
