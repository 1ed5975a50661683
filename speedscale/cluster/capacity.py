"""What a catalogue and a load need, computed from figures that were measured and assumptions that are shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the computation rests on; each can be replaced by a measurement of one's own.

    Attributes:
        document_bytes: a product in MongoDB's memory.
        stored_bytes: the same on disk, compressed.
        index_bytes: all index entries of a product, in memory and on disk.
        search_bytes: terms and numbered lists for each product (`search_terms`, `search_postings`), with their indexes,
            in memory. The lists of one build: the former one, which is kept until the next, is not read.
        search_stored_bytes: the same on disk, with both builds of the lists.
        hot_documents: share of the products that are asked for often enough to stay in memory.
        hot_index: share of the indexes, of terms and of lists that does.
        cache_share: share of a data node's memory that is MongoDB's cache (its default is half).
        cache_fill: share of that cache that may be used before it evicts in the foreground.
        node_memory_gib: memory of a data node.
        node_disk_gib: disk of a data node; a quarter of it stays free.
        worker_hot_rps: requests a second that a worker process with a core of its own answers from a cache.
        worker_cold_rps: the same, where MongoDB is asked.
        utilisation: share of that which is planned for.
        workers_per_node: worker processes (cores) of a web node.
        redis_answer_bytes: a cached answer with its key, compressed.
        hot_answers: cached answers for each product that is asked for often.
        shard_cold_rps: queries a second that a shard of four cores answers from memory.
    """

    document_bytes: float = 1_654
    stored_bytes: float = 499
    index_bytes: float = 1_667
    search_bytes: float = 311
    search_stored_bytes: float = 435
    hot_documents: float = 0.10
    hot_index: float = 0.50
    cache_share: float = 0.5
    cache_fill: float = 0.8
    node_memory_gib: float = 64
    node_disk_gib: float = 1_000
    worker_hot_rps: float = 1_550
    worker_cold_rps: float = 150
    utilisation: float = 0.6
    workers_per_node: float = 4
    redis_answer_bytes: float = 3_000
    hot_answers: float = 1.5
    shard_cold_rps: float = 2_000


MEASURED = (
    "document_bytes, stored_bytes, index_bytes, search_bytes and search_stored_bytes: collStats of 300,000 seeded "
    "products; of terms and lists larger catalogues have less for each product, because words repeat; "
    "worker_hot_rps: P1 of "
    "`make bench`, 3,100 requests a second on two cores that also ran the load. The others are assumptions."
)


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be served. ``hit_ratio`` is the share of requests that a cache answers."""

    products: int
    requests_per_second: float
    hit_ratio: float = 0.8


@dataclass(frozen=True, slots=True)
class Capacity:
    """What that takes; bytes are of all data once, without the copies of replicas."""

    data_bytes: float
    disk_bytes: float
    index_bytes: float
    search_bytes: float
    working_set_bytes: float
    shards: int
    shards_because: str
    members_per_shard: int
    cold_rps: float
    workers: int
    web_nodes: int
    redis_bytes: float


def compute(need: Need, assumptions: Assumptions) -> Capacity:
    """Return what ``need`` takes under ``assumptions``."""
    each = assumptions
    data, indexes = need.products * each.document_bytes, need.products * each.index_bytes
    search = need.products * each.search_bytes
    disk = need.products * (each.stored_bytes + each.search_stored_bytes) + indexes
    working_set = data * each.hot_documents + (indexes + search) * each.hot_index
    cold = need.requests_per_second * (1 - need.hit_ratio)
    reasons = {
        "working set": working_set / (each.node_memory_gib * GIB * each.cache_share * each.cache_fill),
        "disk": disk / (each.node_disk_gib * GIB * 0.75),
        "queries that no cache answers": cold / each.shard_cold_rps,
    }
    because, most = max(reasons.items(), key=lambda item: item[1])
    hot = need.requests_per_second - cold
    busy = hot / each.worker_hot_rps + cold / each.worker_cold_rps
    workers = max(math.ceil(busy / each.utilisation), 2)
    # One node may be away.
    web_nodes = max(math.ceil(workers / each.workers_per_node) + 1, 2)
    redis = need.products * each.hot_documents * each.hot_answers * each.redis_answer_bytes
    return Capacity(
        data_bytes=data,
        disk_bytes=disk,
        index_bytes=indexes,
        search_bytes=search,
        working_set_bytes=working_set,
        shards=max(math.ceil(most), 1),
        shards_because=because,
        members_per_shard=3,
        cold_rps=cold,
        workers=workers,
        web_nodes=web_nodes,
        redis_bytes=redis,
    )


def measured_from(
    told: Mapping[str, Any], base: Assumptions, *, terms: Mapping[str, Any], lists: Mapping[str, Any], builds: int
) -> Assumptions:
    """Replace what ``collStats`` of the collections of a catalogue tells.

    Args:
        told: of the products.
        terms: of the counted words.
        lists: of the numbered lists; where there are none, what is assumed of search stays.
        builds: how many builds of the lists there are, 1 or 2.
    """
    count = told["count"]
    found = replace(
        base,
        document_bytes=told["size"] / count,
        stored_bytes=told["storageSize"] / count,
        index_bytes=told["totalIndexSize"] / count,
    )
    if not lists["count"]:
        return found
    of_terms, of_lists = terms["totalIndexSize"], lists["totalIndexSize"] / builds
    return replace(
        found,
        search_bytes=(terms["size"] + of_terms + lists["size"] / builds + of_lists) / count,
        search_stored_bytes=(terms["storageSize"] + of_terms + 2 * (lists["storageSize"] / builds + of_lists)) / count,
    )


def assumption_lines(assumptions: Assumptions) -> Iterator[str]:
    """Yield each assumption with its value."""
    values = asdict(assumptions)
    for one in fields(assumptions):
        yield f"  {one.name:<22} {values[one.name]:>12,.6g}"
