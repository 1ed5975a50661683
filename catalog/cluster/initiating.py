"""Replica sets and accounts, made where they are missing and left alone where they are as they should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from catalog.cluster.nodes import Access, Client, reason_of
from catalog.cluster.plan import SetPlan

_NOT_YET_INITIALIZED = 94
_ALREADY_INITIALIZED = 23
_USER_EXISTS = 51003


class InitError(RuntimeError):
    """A step cannot be done; the message is meant for a terminal."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to: ``changed`` or ``unchanged``, with a word on it."""

    step: str
    changed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its password and its rights; kept in ``admin``."""

    name: str
    password: str
    roles: tuple[tuple[str, str], ...]

    def role_documents(self) -> list[dict[str, str]]:
        return [{"role": role, "db": database} for role, database in self.roles]


def administrator(password: str) -> Account:
    """Return the account that may do everything."""
    return Account("root", password, (("root", "admin"),))


def web_account(password: str, database: str) -> Account:
    """Return the account of the web server: its own database, and a look at the state of the servers."""
    return Account(
        "speedscale", password, (("readWrite", database), ("dbAdmin", database), ("clusterMonitor", "admin"))
    )


def initiate_set(accesses: Sequence[Access], plan: SetPlan, *, config_servers: bool, timeout_seconds: float) -> Outcome:
    """Make ``plan``'s members a replica set and wait for its primary; a set that is already made is only compared.

    Args:
        accesses: rights to try, one after the other: accounts exist only once the set does.
        plan: the set's name and members.
        config_servers: whether its members were started with ``--configsvr``.
        timeout_seconds: how long members may take to answer and to elect.

    Raises:
        InitError: members do not answer in time, or form another set than planned.
    """
    step = f"replica set {plan.name}"
    deadline = time.monotonic() + timeout_seconds
    for host in plan.hosts:
        _await(lambda host=host: _answers(accesses, host), deadline, f"{host} of {plan.name} does not answer")  # type: ignore[misc]
    present = _present_members(accesses, plan)
    if present is None:
        _initiate(accesses, plan, config_servers=config_servers)
        # Asked to stand, a member is elected at once; otherwise the first election waits for its timeout of 10 s.
        _await(lambda: _stands(accesses, plan), deadline, f"{plan.name} elects no primary")
    elif set(present) != set(plan.hosts):
        raise InitError(f"{plan.name} has the members {', '.join(present)}, planned are {', '.join(plan.hosts)}")
    _await(lambda: _has_primary(accesses, plan), deadline, f"{plan.name} elects no primary")
    return Outcome(step, present is None, f"{len(plan.hosts)} members")


def create_account(access: Access, where: SetPlan | str, account: Account) -> Outcome:
    """Create ``account`` on a replica set or through ``mongos`` (an address), or give an existing one these rights.

    The password of an existing account is left alone.
    """
    step = f"account {account.name} on {where if isinstance(where, str) else where.name}"
    connection = access.node(where) if isinstance(where, str) else access.replica_set(where.name, where.hosts)
    try:
        with connection as client:
            return _create(client, account, step)
    except PyMongoError as error:
        raise InitError(f"{step}: {reason_of(error)}") from error


def _create(client: Client, account: Account, step: str) -> Outcome:
    found = client.admin.command("usersInfo", account.name)["users"]
    if not found:
        try:
            client.admin.command("createUser", account.name, pwd=account.password, roles=account.role_documents())
        except OperationFailure as error:
            # Another run was quicker.
            if error.code != _USER_EXISTS:
                raise
            return Outcome(step, changed=False)
        return Outcome(step, changed=True)
    present = {(role["role"], role["db"]) for role in found[0]["roles"]}
    if present >= set(account.roles):
        return Outcome(step, changed=False)
    client.admin.command("grantRolesToUser", account.name, roles=account.role_documents())
    return Outcome(step, changed=True, detail="rights added")


def _initiate(accesses: Sequence[Access], plan: SetPlan, *, config_servers: bool) -> None:
    members = [{"_id": number, "host": host} for number, host in enumerate(plan.hosts)]
    configuration: dict[str, Any] = {"_id": plan.name, "members": members}
    if config_servers:
        configuration["configsvr"] = True
    try:
        _ask(accesses, plan.hosts[0], "replSetInitiate", configuration)
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise InitError(f"{plan.name} cannot be initiated: {reason_of(error)}") from error
    except PyMongoError as error:
        raise InitError(f"{plan.name} cannot be initiated: {reason_of(error)}") from error


def _present_members(accesses: Sequence[Access], plan: SetPlan) -> list[str] | None:
    """Return the members of the set that any of the planned ones is in, ``None`` where none is in one."""
    for host in plan.hosts:
        try:
            config = _ask(accesses, host, "replSetGetConfig", 1)["config"]
        except OperationFailure as error:
            if error.code == _NOT_YET_INITIALIZED:
                continue
            raise InitError(f"{host} refuses: {reason_of(error)}") from error
        except PyMongoError as error:
            raise InitError(f"{host}: {reason_of(error)}") from error
        if config["_id"] != plan.name:
            raise InitError(f"{host} belongs to the replica set {config['_id']}, not to {plan.name}")
        return [member["host"] for member in config["members"]]
    return None


def _ask(accesses: Sequence[Access], host: str, command: str, value: Any) -> dict[str, Any]:
    """Send a command with the first rights that are accepted."""
    for number, access in enumerate(accesses):
        try:
            with access.node(host) as client:
                return dict(client.admin.command(command, value))
        except OperationFailure as error:
            if error.code not in {13, 18} or number == len(accesses) - 1:
                raise
    raise InitError("no rights were given")


def _answers(accesses: Sequence[Access], host: str) -> bool:
    try:
        _ask(accesses, host, "ping", 1)
    except PyMongoError:
        return False
    return True


def _has_primary(accesses: Sequence[Access], plan: SetPlan) -> bool:
    for host in plan.hosts:
        try:
            hello = _ask(accesses, host, "hello", 1)
        except PyMongoError:
            continue
        if hello.get("isWritablePrimary"):
            return True
    return False


def _stands(accesses: Sequence[Access], plan: SetPlan) -> bool:
    if _has_primary(accesses, plan):
        return True
    with suppress(PyMongoError):
        _ask(accesses, plan.hosts[0], "replSetStepUp", 1)
        return True
    return False


def _await(condition: Callable[[], bool], deadline: float, complaint: str) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise InitError(f"{complaint} in time")
        time.sleep(0.1)
