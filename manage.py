#!/usr/bin/env python3
"""Django's command line for ClinicalFT."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinicalft.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        sys.exit(f"PostgreSQL cannot be used: {reason}. Start bin/up in another terminal, or set DATABASE_URL.")


if __name__ == "__main__":
    main()
