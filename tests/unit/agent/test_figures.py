"""What state tells about the worker, over the lives of several workers."""

from __future__ import annotations

from agent.figures import Figures
from agent.ipc import Heartbeat, Ready, SourceDown, SourceEnded, SourceUp


def test_counts_add_up_over_workers_that_each_count_from_nothing() -> None:
    figures = Figures()

    figures.beat(Heartbeat(position=5, seq=5, held=2, refused=1), 1.0)
    figures.beat(Heartbeat(position=9, seq=9, held=4, refused=1), 2.0)
    figures.begin()
    figures.beat(Heartbeat(position=12, seq=3, held=1, refused=2), 3.0)

    assert (figures.frames, figures.held, figures.refused) == (12, 5, 3)


def test_the_executor_is_the_one_of_the_last_beat() -> None:
    figures = Figures()
    figures.loaded(Ready(runtime="kernel 1", artifact="spiking", executor="c-delta", note="no TFLite", rss_kb=1))

    figures.beat(Heartbeat(position=1, seq=1), 1.0)
    before = figures.executor
    figures.beat(Heartbeat(position=2, seq=2, executor="c"), 2.0)

    assert (before, figures.executor, figures.runtime, figures.note) == ("c-delta", "c", "kernel 1", "no TFLite")


def test_the_runtime_is_that_of_the_executor() -> None:
    figures = Figures()
    figures.loaded(Ready(runtime="kernel 1", artifact="spiking", executor="c-delta", rss_kb=1))

    figures.beat(Heartbeat(position=1, seq=1, executor="collapsed", runtime="ai-edge-litert 2.3.0"), 1.0)

    assert (figures.runtime, figures.executor) == ("ai-edge-litert 2.3.0", "collapsed")


def test_what_the_last_worker_said_of_its_model_is_not_told_of_the_next_one() -> None:
    figures = Figures()
    figures.loaded(Ready(runtime="kernel 1", artifact="spiking", executor="c", note="no TFLite", rss_kb=1))
    figures.beat(Heartbeat(position=1, seq=1, adapted_rev=2, mean_steps=3.5), 1.0)

    figures.begin()

    of_the_model = figures.runtime, figures.executor, figures.note, figures.adapted_rev, figures.mean_steps
    assert (of_the_model, figures.frames) == ((None,) * 5, 1)


def test_a_new_model_that_misses_nothing_takes_the_note_away() -> None:
    figures = Figures(note="no C kernel")

    figures.loaded(Ready(runtime="ai-edge-litert 2.3.0", artifact="tflite-int8", executor="interpreter", rss_kb=1))

    assert figures.note is None


def test_the_rate_is_that_of_late_and_nothing_once_the_last_word_is_old() -> None:
    figures = Figures()
    for second in range(30):
        figures.beat(Heartbeat(position=0, seq=second * 20), float(second))

    assert figures.rate_hz(29.0) == 20.0
    assert figures.rate_hz(45.0) == 0.0


def test_state_says_why_the_source_delivers_nothing_until_it_does() -> None:
    figures = Figures()
    told = [figures.source]

    figures.beat(Heartbeat(position=3, seq=3), 1.0)
    told.append(figures.source)
    for word in (SourceDown(reason="no camera", failures=1, retry_s=1), SourceUp(down_s=2), SourceEnded(position=9)):
        figures.source_word(word)
        told.append(figures.source)

    assert told == [None, "ok", "no camera", "ok", "ended"]


def test_stages_are_those_of_the_present_worker() -> None:
    figures = Figures()
    figures.beat(Heartbeat(position=3, seq=3, stages={"infer": "1"}), 1.0)
    before = figures.stages

    figures.begin()

    assert (before, figures.stages) == ({"infer": "1"}, {})
