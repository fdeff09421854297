"""Seeded splits that never share a patient; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256

PARTS = ("train", "validation", "test")


class SplitRefused(ValueError):
    """The wanted shares cannot be had from these patients; the message says why and what to do."""


def patient_splits(patients: Mapping[str, str], *, seed: int, shares: Mapping[str, float]) -> dict[str, str]:
    """Row id to the part it belongs to, so that all rows of a patient are in one part.

    `patients` maps each row id to its patient; a row without a known patient is given its own id as the patient.
    `shares` gives each part of PARTS that is wanted its share of the rows; the shares sum to 1.
    Patients are taken in the order of the SHA-256 of seed and patient, so the result does not depend on the order of
    rows; each goes to the part that is furthest below its share of rows, parts without a patient first once patients
    run short. Raises SplitRefused when a share is not positive, when they do not sum to 1, or when there are fewer
    patients than parts.
    """
    _check_shares(shares)
    rows_of = Counter(patients.values())
    if len(rows_of) < len(shares):
        raise SplitRefused(
            f"{len(rows_of)} patients cannot fill {len(shares)} parts ({', '.join(shares)}) without sharing a patient. "
            "Add notes of more patients, or ask for fewer parts."
        )
    part_of = _deal(rows_of, seed, [part for part in PARTS if part in shares], shares)
    return {row: part_of[patient] for row, patient in patients.items()}


def _deal(rows_of: Mapping[str, int], seed: int, parts: list[str], shares: Mapping[str, float]) -> dict[str, str]:
    total = sum(rows_of.values())
    held = dict.fromkeys(parts, 0)
    part_of: dict[str, str] = {}
    order = sorted(rows_of, key=lambda patient: (sha256(f"{seed}\0{patient}".encode()).digest(), patient))
    for n_dealt, patient in enumerate(order):
        empty = [part for part in parts if held[part] == 0]
        open_parts = empty if len(order) - n_dealt <= len(empty) else parts
        part = max(open_parts, key=lambda name: shares[name] * total - held[name])
        part_of[patient] = part
        held[part] += rows_of[patient]
    return part_of


def _check_shares(shares: Mapping[str, float]) -> None:
    if unknown := sorted(set(shares) - set(PARTS)):
        raise SplitRefused(f"There is no part named {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    if any(share <= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise SplitRefused("Each share must be above 0 and the shares must sum to 1 (100 %). Correct the shares.")
