"""Tokens with which programs of staff change products through the API."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = "Create or revoke the API token of a member of staff; each has at most one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("create", "revoke"), help="create makes a new one and ends the old one")
        parser.add_argument("username", help="an account of staff (manage.py createsuperuser makes one)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the new token, or say that there is none any more."""
        del args
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account named {options['username']}.")
        if options["action"] == "revoke":
            revoked, _ = Token.objects.filter(user=user).delete()
            self.stdout.write("The token is worth nothing any more." if revoked else "There was no token.")
            return
        if not (user.is_staff and user.is_active):
            raise CommandError(f"{user.username} is not an active member of staff; the API would refuse the token.")
        Token.objects.filter(user=user).delete()
        self.stdout.write(Token.objects.create(user=user).key)
