"""Guided lessons: five steps each, every step with something to do and something to watch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LessonStep:
    """A step.

    Attributes:
        text: what this step is about.
        action: an action of the switchboard, or empty where there is only something to read.
        value: what goes with it, such as a key or milliseconds.
        watch: what to look at after it.
    """

    title: str
    text: str
    action: str
    value: str
    watch: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson with its steps."""

    name: str
    title: str
    lead: str
    steps: tuple[LessonStep, ...]


KEY = "search:mouse"
PATH = "/api/search?query=mouse"

LESSONS = (
    Lesson(
        "hit",
        "Miss and hit",
        "Where an answer comes from, and what the second one saves.",
        (
            LessonStep(
                "Forget", "The key goes from Redis and from every worker's memory.", "invalidate", KEY,
                "The inspector has no such key any more.",
            ),
            LessonStep(
                "Ask", "Nobody has the answer now, so MongoDB is asked, and the answer is stored.", "ask", PATH,
                "The last request is a miss: the way leads through Redis to MongoDB.",
            ),
            LessonStep(
                "Ask again", "The worker that answered still has it in its own memory.", "ask", PATH,
                "A hit, from process memory or from Redis, whichever worker is asked; compare the bars.",
            ),
            LessonStep(
                "Let it expire", "Its soft expiry is moved to now: the value is old, but still there.", "expire", KEY,
                "The inspector says stale; the ring changes its colour.",
            ),
            LessonStep(
                "Ask once more", "The old answer is given at once and loaded anew behind the scenes.", "ask", PATH,
                "One stale hit, and the next is fresh: nobody waited for the load.",
            ),
        ),
    ),
    Lesson(
        "stampede",
        "Stampede",
        "32 visitors want a key that has just expired. How often is it loaded?",
        (
            LessonStep(
                "Slow the load", "Every command of MongoDB takes 200 ms longer.", "slow", "200",
                "Misses stand out in the chart.",
            ),
            LessonStep(
                "Forget the key", "From here on it has to be loaded.", "invalidate", KEY, "Nothing yet.",
            ),
            LessonStep(
                "Flood it", "32 visitors ask for it at once, for some seconds.", "flood", PATH,
                "Loads in the panel: one or two misses, the others waited for it. Then only hits.",
            ),
            LessonStep(
                "Let it expire in the flood", "The value turns old; ask for a flood again afterwards.", "expire", KEY,
                "Stale hits instead of waiting: one refresh runs behind the scenes.",
            ),
            LessonStep("Back to normal", "MongoDB is as quick as before.", "slow", "0", "The next misses are short."),
        ),
    ),
    Lesson(
        "redis-down",
        "Redis down",
        "The cache dies. Does the shop?",
        (
            LessonStep("Traffic", "Visitors, 10 requests a second.", "traffic", "on", "Hits and misses come in."),
            LessonStep(
                "Stop Redis", "The server ends; its memory is lost.", "redis-stop", "",
                "Redis looks down, with since when. Answers are bypasses: slower, none of them an error.",
            ),
            LessonStep(
                "Ask yourself", "One bounded wait at most, then the breaker skips Redis.", "ask", PATH,
                "The breaker is open; the answer came from MongoDB.",
            ),
            LessonStep(
                "Start Redis", "It comes back empty.", "redis-start", "",
                "Within five seconds the breaker closes: first misses, then hits.",
            ),
            LessonStep(
                "Hang it", "Worse than dead: it takes connections and never answers.", "redis-pause", "",
                "Requests lose at most one wait of 50 ms. Resume it when you have seen enough.",
            ),
        ),
    ),
    Lesson(
        "stale",
        "Stale on error",
        "MongoDB dies. What is warm is still answered, and says so.",
        (
            LessonStep("Warm a key", "Its answer is stored.", "ask", PATH, "A miss or a hit."),
            LessonStep(
                "Let it expire", "It is old now.", "expire", KEY, "Stale, in the inspector.",
            ),
            LessonStep(
                "Stop MongoDB", "The database is gone.", "mongodb-stop", "",
                "MongoDB looks down, with since when.",
            ),
            LessonStep(
                "Ask", "The old value is given, because its refresh fails; what is not warm is 503.", "ask", PATH,
                "Stale, loader failed: an old answer that says that it is old, and nothing made up.",
            ),
            LessonStep(
                "Start MongoDB", "It replays its journal and takes over.", "mongodb-start", "",
                "Fresh again with the next refresh.",
            ),
        ),
    ),
    Lesson(
        "failover",
        "Failover",
        "The primary steps down, and for some seconds there is none.",
        (
            LessonStep("Traffic", "Visitors, 10 requests a second.", "traffic", "on", "Hits and misses come in."),
            LessonStep(
                "Step down",
                "The only node of this replica set gives up being primary for five seconds, as one of three would when "
                "it loses its majority. With three nodes another would be elected at once.",
                "stepdown", "", "The role of the node in the topology; misses wait or fail while there is no primary.",
            ),
            LessonStep(
                "Kill it", "SIGKILL, as a crash would: nothing is said goodbye to.", "mongodb-kill", "",
                "Warm answers go on; cold ones are 503 after the first two failures, at once.",
            ),
            LessonStep(
                "Start it", "It replays its journal; what was acknowledged is there.", "mongodb-start", "",
                "Elected within seconds; errors end.",
            ),
            LessonStep("Enough", "The traffic ends.", "traffic", "off", "Look at the heatmap of the last minutes."),
        ),
    ),
)  # fmt: skip
