"""Starts the servers in order, watches them, and stops them in the opposite order."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from speedscale.embedded.external import require_mongodb, require_redis
from speedscale.embedded.mongo_sets import MongoReplicaSet
from speedscale.embedded.mongod import MongodProcess, MongodServer
from speedscale.embedded.process import ServerError, ServerProcess
from speedscale.embedded.redis import RedisServer
from speedscale.embedded.state import Endpoints, clear_endpoints, write_endpoints
from speedscale.running.control import ControlListener, ControlRequest
from speedscale.running.lock import exclusive_run
from speedscale.running.report import Report
from speedscale.running.staticfiles import collect_static
from speedscale.running.switches import Switches
from speedscale.running.web import WebServer, refuse_taken_port

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run and where. An empty address means: start that server here."""

    base_dir: Path
    data_dir: Path
    host: str
    port: int
    allowed_hosts: list[str]
    mongo_uri: str
    redis_url: str
    seed: bool
    warm: int = 0
    topology: str = "single"
    demo: bool = False
    """Whether generated visitors come to the site, and its dashboard is opened where there is a screen."""
    switchboard: bool = False
    """Whether other processes of this user may have the servers stopped, paused and slowed."""


class PreparationFailed(ServerError):
    """The preparation of the database failed and has told why; ``status`` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__("the database could not be prepared")
        self.status = status


class Supervisor:
    """Runs everything until it is asked to stop, or until one of the children ends."""

    def __init__(self, options: RunOptions, report: Report) -> None:
        self._options = options
        self._report = report
        self._children: list[ServerProcess] = []
        self._ended: queue.SimpleQueue[ServerProcess | ControlRequest] = queue.SimpleQueue()
        self._replica_set: MongoReplicaSet | None = None
        self._control: ControlListener | None = None
        self._switches: Switches | None = None
        # The children must read the settings as this process did, wherever they run.
        self._env = {**os.environ, "DATA_DIR": str(options.data_dir), "PYTHONUNBUFFERED": "1"}

    def run(self) -> None:
        """Start, watch and stop; return when asked to stop by Ctrl-C, SIGTERM or SIGHUP.

        Raises:
            ServerError: something could not be started, or a child has ended by itself.
        """
        options = self._options
        started = time.perf_counter()
        with exclusive_run(options.data_dir), _stop_signals_interrupt():
            refuse_taken_port(options.host, options.port)
            try:
                web = self._start()
                self._report.say(f"Ready in {time.perf_counter() - started:.1f} s.\n")
                self._greet(web.url)
                if options.demo and {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
                    webbrowser.open(f"{web.url}dashboard/")
                self._expect_no_end()
            except KeyboardInterrupt:
                self._report.say("\nStopping ...")
            finally:
                self._stop()

    def _start(self) -> WebServer:
        options, report = self._options, self._report
        self._require_servers_of_others()
        endpoints = Endpoints(mongo_uri=self._start_mongodb(), redis_url=self._start_redis(), control=self._listen())
        write_endpoints(options.data_dir, endpoints)
        with report.step("static files unchanged") as step:
            if collect_static(options.data_dir):
                step.text = "static files collected"
        self._prepare()
        with report.step("web server") as step:
            web = WebServer(
                options.base_dir,
                host=options.host,
                port=options.port,
                allowed_hosts=options.allowed_hosts,
                log=options.data_dir / "logs" / "web.log",
                env=self._env,
            )
            self._add(web)
            step.text = f"web server on {web.url}"
        with report.step("watcher of changes made by others"):
            self._add(self._watcher())
        if options.demo:
            with report.step("generated visitors"):
                # Whatever becomes of them, the site goes on; so their end is not watched.
                self._children.append(self._visitors(web.url))
        write_endpoints(options.data_dir, replace(endpoints, web_url=web.url))
        return web

    def _listen(self) -> str:
        """Listen to the switchboard; return where, or nothing where it is off."""
        if not self._options.switchboard:
            return ""
        servers = {child.name: child for child in self._children}
        self._switches = Switches(self._options.data_dir, mongod=servers["mongod"], redis=servers["redis-server"])
        self._control = ControlListener(self._ended.put)
        return self._control.path

    def _watcher(self) -> ServerProcess:
        command = [sys.executable, str(self._options.base_dir / "manage.py"), "watch_catalog"]
        log = self._options.data_dir / "logs" / "watcher.log"
        return ServerProcess("watcher", command, log=log, env=self._env)

    def _visitors(self, url: str) -> ServerProcess:
        command = [sys.executable, str(self._options.base_dir / "manage.py"), "generate_traffic", "--url", url]
        log = self._options.data_dir / "logs" / "visitors.log"
        return ServerProcess("visitors", [*command, "--rate", "8", "--seconds", "86400"], log=log, env=self._env)

    def _require_servers_of_others(self) -> None:
        # Before anything is started here: a mistyped address needs no server to be found out.
        if self._options.mongo_uri:
            with self._report.step("MongoDB of MONGO_URI answers"):
                require_mongodb(self._options.mongo_uri)
        if self._options.redis_url:
            with self._report.step("Redis of REDIS_URL answers"):
                require_redis(self._options.redis_url)

    def _start_mongodb(self) -> str:
        """Return the address of the embedded MongoDB; empty where the settings name another."""
        if self._options.mongo_uri:
            return ""
        if self._options.topology == "replicaset":
            return self._start_replica_set()
        with self._report.step("MongoDB") as step:
            mongod = MongodServer(self._options.data_dir / "mongodb", test_commands=self._options.switchboard)
            self._add(mongod)
            step.text = f"MongoDB on 127.0.0.1:{mongod.port}, a replica set of one node"
        return mongod.uri

    def _start_replica_set(self) -> str:
        with self._report.step("MongoDB") as step:
            group = self._replica_set = MongoReplicaSet(self._options.data_dir / "mongodb-replicaset")
            for node in group.nodes:
                self._add(node)
            step.text = f"MongoDB on {', '.join(node.host for node in group.nodes)}, a replica set"
        return group.uri

    def _start_redis(self) -> str:
        """Return the address of the embedded Redis; empty where the settings name another."""
        if self._options.redis_url:
            return ""
        with self._report.step("Redis") as step:
            server = RedisServer(self._options.data_dir / "redis")
            self._add(server)
            step.text = f"Redis on 127.0.0.1:{server.port}"
        return server.url

    def _prepare(self) -> None:
        # In a process of its own: this one read its settings before the servers had addresses.
        command = [sys.executable, str(self._options.base_dir / "manage.py"), "prepare", f"--warm={self._options.warm}"]
        if not self._options.seed:
            command.append("--no-seed")
        preparation = ServerProcess("preparation", command, log=None, env=self._env, ends_with=signal.SIGINT)
        self._add(preparation)
        ended = self._next_end()
        if ended is not preparation:
            raise ServerError(ended.explain_end())
        status = preparation.wait()
        self._children.remove(preparation)
        if status:
            raise PreparationFailed(status if status > 0 else 1)

    def _add(self, child: ServerProcess, *, first: bool = False) -> None:
        self._children.insert(0 if first else len(self._children), child)
        self._watch(child)

    def _watch(self, child: ServerProcess) -> None:
        def tell_end() -> None:
            child.wait()
            self._ended.put(child)

        threading.Thread(target=tell_end, name=f"watch-{child.name}", daemon=True).start()

    def _expect_no_end(self) -> None:
        """Watch until a child ends by itself; a member of the replica set is started again, as its set goes on."""
        while True:
            ended = self._next_end()
            group = self._replica_set
            if group is None or not isinstance(ended, MongodProcess) or ended not in group.nodes:
                raise ServerError(ended.explain_end())
            self._report.say(f"  MongoDB on {ended.host} has ended; starting it again")
            self._children.remove(ended)
            # A member that ended because it cannot run fails to start, which ends everything and says why.
            node = group.revive(ended)
            self._children.insert(0, node)
            self._watch(node)

    def _next_end(self) -> ServerProcess:
        """Return the next child that ended without having been asked to; meanwhile do what the switchboard wants."""
        while True:
            event = self._ended.get()
            if isinstance(event, ServerProcess):
                if self._switches is None or not self._switches.has_stopped(event):
                    return event
            elif self._switches is not None:
                self._do(event, self._switches)

    def _do(self, request: ControlRequest, switches: Switches) -> None:
        try:
            started = switches.act(request)
        except ServerError as error:
            request.answer({"error": str(error)})
            return
        if started is not None:
            self._children = [child for child in self._children if child.name != started.name]
            # In the order of starting, so that the web server is still the first to be stopped.
            self._add(started, first=True)
        request.answer(switches.state())

    def _greet(self, url: str) -> None:
        say = self._report.say
        say(f"  SpeedScale        {url}")
        say(f"  a search          {url}search?q=wireless+mouse")
        say(f"  latency dashboard {url}dashboard/")
        say(f"  API               {url}api/docs/")
        say()
        manage = f"{self._where()}.venv/bin/python manage.py"
        say("In another terminal:")
        say(f"  {manage} import_products FILE    your own products (JSON lines or CSV)")
        say(f"  {manage} createsuperuser         an account for {url}admin/")
        say()
        say(f"Logs and data are in {self._options.data_dir}. Ctrl-C stops everything; the data stay.")

    def _where(self) -> str:
        """Return what another terminal must say in front of a command to mean this run's data."""
        data_dir = self._options.data_dir
        return "" if data_dir == self._options.base_dir / ".data" else f"DATA_DIR={shlex.quote(str(data_dir))} "

    def _stop(self) -> None:
        # Asked once is enough: from here on every wait is bounded, and a second Ctrl-C would leave servers running.
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        clear_endpoints(self._options.data_dir)
        if self._control is not None:
            self._control.close()
        running = [child for child in self._children if child.exit_status() is None]
        for child in running:
            # The servers go on until those that use them have ended, and these need not wait for each other.
            if not isinstance(child, MongodProcess | RedisServer):
                child.ask_to_end()
        while self._children:
            child = self._children.pop()
            child.stop()
            if child in running:
                self._report.say(f"  {child.name} stopped")


@contextmanager
def _stop_signals_interrupt() -> Iterator[None]:
    """Make every signal that asks for an end a ``KeyboardInterrupt``, also those that Ctrl-C does not send."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
