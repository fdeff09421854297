"""What leaves as files: each form of a dataset, its manifest, and the one archive that holds everything."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from clinicalft.lib.hashing import canonical_json
from clinicalft.lib.zips import Member, stored_zip
from training.duplicates import ALIKE, FEWEST_WORDS, WORDS
from training.formats import (
    FormatRefused,
    to_alpaca,
    to_chatml,
    to_openai,
    to_preference,
    to_prompt_completion,
    to_sharegpt,
)
from training.models import Dataset, Split
from training.snapshot import FILES, example_rows, row_line
from training.splits import METHOD, Match, largest_difference

ARCHIVE = "archive.zip"


def _alpaca(row: dict[str, Any]) -> dict[str, Any]:
    """The instruction and the note as one question, which Alpaca splits at its first empty line."""
    system, *turns = row["messages"]
    if system["role"] != "system" or len(turns) > 2:
        return to_alpaca(row["messages"])
    question = {"role": "user", "content": f"{system['content']}\n\n{turns[0]['content']}"}
    return to_alpaca([question, *turns[1:]])


FORMATS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "messages": lambda row: row,
    "openai": lambda row: to_openai(row["messages"]),
    "prompt-completion": lambda row: to_prompt_completion(row["messages"]),
    "sharegpt": lambda row: to_sharegpt(row["messages"]),
    "alpaca": _alpaca,
    "chatml": lambda row: to_chatml(row["messages"]),
    "preference": lambda row: to_preference(row["messages"], row.get("rejected", "")),
}
"""Ways to write an example. "messages" is the canonical one: a run learns from exactly these lines."""

MEANINGS = {
    "messages": "role and content, with the example's number: TRL, Axolotl, Unsloth, and this app",
    "openai": "messages and nothing else: OpenAI's chat fine-tuning",
    "prompt-completion": "messages but the last, and the last: TRL learns the completion",
    "sharegpt": "conversations of from and value: LLaMA-Factory, Axolotl",
    "alpaca": "instruction, input, output: LLaMA-Factory, Axolotl, H2O LLM Studio",
    "chatml": "one text with turn marks",
    "preference": "prompt, chosen, rejected: TRL's DPO, and this app",
}


def dataset_lines(dataset: Dataset, split: str, form: str) -> Iterator[bytes]:
    """The lines of one file of a dataset, streamed. Raises FormatRefused where an example cannot be written so."""
    for row in example_rows(dataset, split):
        yield row_line(FORMATS[form](row))


def manifest_of(dataset: Dataset, strata: Sequence[Match]) -> dict[str, Any]:
    """What is in a dataset and where it comes from, with the digest of every file in every form, and how each of the
    `strata` is spread over the parts.

    A form in which some example cannot be written is left out, with the reason; preference is one for pairs only.
    """
    exports: dict[str, dict[str, Any]] = {}
    not_written: dict[str, str] = {}
    for form in FORMATS:
        if form == "preference" and not dataset.examples.exclude(rejected="").exists():
            continue
        try:
            exports[form] = {name: _digest(dataset, split, form) for split, name in FILES.items()}
        except FormatRefused as refusal:
            not_written[form] = str(refusal)
    return {
        "dataset": dataset.number,
        "title": dataset.title,
        "project": dataset.project.name,
        "kind": dataset.kind,
        "frozen_at": dataset.created_at.isoformat(),
        "instruction_sha256": hashlib.sha256(dataset.instruction.encode()).hexdigest(),
        "prompt": _prompt(dataset),
        "seed": dataset.seed,
        "shares": {"train": dataset.train_share, "validation": dataset.validation_share},
        "strata": _strata(strata),
        "near_duplicates": {"shingle_words": WORDS, "jaccard": ALIKE, "fewest_words": FEWEST_WORDS},
        "n_patients": dataset.n_patients,
        "languages": _languages(dataset),
        "excluded": dataset.excluded,
        "files": {name: {key: file[key] for key in ("sha256", "n_rows")} for name, file in exports["messages"].items()},
        "exports": exports,
        "not_written": not_written,
        "rounds": _rounds(dataset),
        "imports": [
            {
                "import": one.number,
                "title": one.title,
                "source": one.source,
                "licence": one.licence,
                "format": one.form,
                "file_sha256": one.file_sha256,
                "n_rows": one.n_rows,
                "n_faulty": len(one.faults),
            }
            for one in dataset.imports.order_by("number")
        ],
    }


def _prompt(dataset: Dataset) -> dict[str, Any]:
    """The template, with digest and version, and the prompt with its examples; imported rows have none."""
    template = dataset.template
    named = {"title": template.title, "version": template.version, "sha256": template.sha256} if template else None
    return {"template": named, "instruction": dataset.instruction, **dataset.prompt}


def _strata(strata: Sequence[Match]) -> dict[str, Any]:
    most = largest_difference(strata)
    return {
        "method": METHOD,
        "values": [{"field": match.field, "value": match.value, "n": match.n} for match in strata],
        "largest_difference": most
        and {
            "field": most[0].field,
            "value": most[0].value,
            "part": most[1],
            "difference": round(most[0].difference(most[1]), 6),
        },
    }


def _digest(dataset: Dataset, split: Split, form: str) -> dict[str, Any]:
    digest, n_rows, n_bytes = hashlib.sha256(), 0, 0
    for line in dataset_lines(dataset, split, form):
        digest.update(line)
        n_rows += 1
        n_bytes += len(line)
    return {"sha256": digest.hexdigest(), "n_rows": n_rows, "n_bytes": n_bytes}


def _languages(dataset: Dataset) -> list[str]:
    found = dataset.examples.order_by().values_list("item__note__note__language", flat=True).distinct()
    return sorted({*found, *dataset.imports.values_list("language", flat=True)} - {None, ""})


def _rounds(dataset: Dataset) -> list[dict[str, Any]]:
    sources = dataset.sources.select_related("round__schema", "round__guideline", "agreement")
    return [
        {
            "round": source.round.number,
            "title": source.round.title,
            "schema": source.round.schema.title,
            "schema_version": source.round.schema.version,
            "schema_sha256": source.round.schema.content_sha256,
            "guideline": source.round.guideline.title,
            "guideline_version": source.round.guideline.version,
            "guideline_sha256": source.round.guideline.text_sha256,
            "agreement": source.agreement.number if source.agreement else None,
            "ratings_sha256": source.agreement.ratings_sha256 if source.agreement else "",
        }
        for source in sources.order_by("round__number")
    ]


# ---------- the archive


def archive(dataset: Dataset) -> Iterator[bytes]:
    """A zip of the card, the manifest and every file, streamed; the same bytes every time."""
    yield from stored_zip(_members(dataset))


def _members(dataset: Dataset) -> Iterator[Member]:
    yield Member("README.md", [dataset.card.encode()])
    yield Member("manifest.json", [canonical_json(dataset.manifest).encode()])
    exports = dataset.manifest["exports"]
    # In the order of FORMATS: PostgreSQL keeps no order of keys.
    for form, (split, name) in product([form for form in FORMATS if form in exports], FILES.items()):
        lines = dataset_lines(dataset, split, form)
        yield Member(f"{form}/{name}", lines, exports[form][name]["n_bytes"])


def archive_digest(dataset: Dataset) -> tuple[str, int]:
    """SHA-256 and bytes of the archive."""
    digest, n_bytes = hashlib.sha256(), 0
    for chunk in archive(dataset):
        digest.update(chunk)
        n_bytes += len(chunk)
    return digest.hexdigest(), n_bytes
