import getpass
import json
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from clinicalft.access import Refused
from clinicalft.actions import create_user
from clinicalft.models import User


class Command(BaseCommand):
    """Makes an account that administers the site: the first person, who then invites the others.

    The password is asked for, or read as the first line of standard input when that is not a terminal.
    """

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("name", help='as people will see it: "Ada Lovelace"')
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        email, name = options["email"].strip(), options["name"].strip()
        if not name:
            raise CommandError("Give a name.")
        try:
            validate_email(email)
            password = self._password()
            validate_password(password, User(email=email, name=name))
            user = create_user(email=email, name=name, password=password, by=None, site_roles=["admin"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except Refused as refusal:
            raise CommandError(refusal.sentence) from refusal
        if options["json"]:
            self.stdout.write(json.dumps({"id": user.pk, "email": user.email}))
        else:
            self.stdout.write(f"{user.name} can log in as {user.email} and administers the site.")

    def _password(self) -> str:
        if not sys.stdin.isatty():
            return sys.stdin.readline().rstrip("\n")
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise CommandError("The two passwords differ.")
        return password
