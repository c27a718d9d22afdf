"""What a reader of the figures is warned of; no caution refuses a bundle."""

from __future__ import annotations

from collections.abc import Iterator

from converter.gates import least_group
from converter.measure import Figures
from converter.recipe.gates import GatesRecipe

# MLPerf Tiny's published int8 ResNet-8, which loses 0.45 pt, has 0.947 and 19.2 dB; below these it is worth a look.
LEAST_AGREEMENT = 0.95
LEAST_SQNR_DB = 15.0
_RULE_OF_THREE = 3  # events that may be expected when none was seen, at 95 % (Hanley & Lippman-Hand 1983)


def cautions(figures: Figures, gates: GatesRecipe) -> tuple[str, ...]:
    """What is odd about the figures, or what they cannot tell, one sentence each.

    Examples:
        >>> from converter.measure import Comparison, Estimate
        >>> overall = Comparison(artifact=Estimate(value=0.9, low=0.86, high=0.93), float32=None, drop=None)
        >>> cautions(Figures(metric="accuracy", n=900, size_bytes=1, overall=overall), GatesRecipe())
        ('no float32 file to compare with: what the quantisation costs is not known',)
    """
    return (
        *_chance(figures),
        *_likeness(figures, gates),
        *_sizes(figures, gates),
        *_classes(figures),
        *_unjudged(figures, gates),
    )


def _chance(figures: Figures) -> Iterator[str]:
    """Guessing is how wrong preprocessing or labels in another order show, of a model that was trained elsewhere."""
    chance = 0.5 if figures.metric == "auc" else 1 / max(len(figures.classes), 1)
    if figures.overall.artifact.low <= chance < 1:
        yield (
            f"{figures.metric} is not clearly better than chance ({chance:.3g}): "
            "see whether labels and preprocessing are those of the training"
        )


def _likeness(figures: Figures, gates: GatesRecipe) -> Iterator[str]:
    if gates.agreement is None and figures.agreement is not None and figures.agreement < LEAST_AGREEMENT:
        yield (
            f"artifact and float32 agree on {figures.agreement:.3f} of the answers, below {LEAST_AGREEMENT}: "
            "a similar accuracy may hide that other examples are wrong"
        )
    if gates.sqnr_db is None and figures.sqnr_db is not None and figures.sqnr_db < LEAST_SQNR_DB:
        yield (
            f"the outputs have {figures.sqnr_db:.1f} dB over their quantisation noise, below {LEAST_SQNR_DB:.0f} dB: "
            "confidences, and with them drift signals, differ from those of float32"
        )


def _sizes(figures: Figures, gates: GatesRecipe) -> Iterator[str]:
    drop = figures.overall.drop
    if drop is not None and figures.n < gates.drop_examples:
        yield (
            f"{figures.n} test examples, below {gates.drop_examples}, so gate drop_interval was not judged: "
            f"{_possible_loss(figures)}"
        )
    elif drop is not None and _is_equal(figures):
        yield _possible_loss(figures)
    small = [group for group in figures.groups if group.n < least_group(gates)]
    if small and drop is not None:
        yield (
            f"too few test examples for gate group_drop (fewer than {least_group(gates)}) in {len(small)} of "
            f"{len(figures.groups)} groups, such as {small[0].name} with {small[0].n}"
        )


def _possible_loss(figures: Figures) -> str:
    """How much the artifact may lose; where it answers as float32 does, the bootstrap has nothing to draw from."""
    drop = figures.overall.drop
    if drop is None or _is_equal(figures):
        hidden = 100 * min(_RULE_OF_THREE / figures.n, 1)
        return (
            f"artifact and float32 are right on the same {figures.n} examples, which could still hide a loss of up to "
            f"{hidden:.2f} pt (rule of three)"
        )
    return f"the loss from float32 lies somewhere between {100 * drop.low:+.2f} and {100 * drop.high:+.2f} pt"


def _is_equal(figures: Figures) -> bool:
    return figures.lost == 0 and figures.won == 0


def _classes(figures: Figures) -> Iterator[str]:
    absent = [one.label for one in figures.classes if not one.n]
    if absent:
        yield f"no test examples of class {', '.join(absent[:5])}{' and others' if len(absent) > 5 else ''}"
    mute = [one.label for one in figures.classes if one.n and one.precision is None]
    if mute:
        yield f"the artifact never answers {', '.join(mute[:5])}{' and others' if len(mute) > 5 else ''}"


def _unjudged(figures: Figures, gates: GatesRecipe) -> Iterator[str]:
    if figures.overall.float32 is None:
        yield "no float32 file to compare with: what the quantisation costs is not known"
    wanted = {
        "agreement": (gates.agreement, figures.agreement),
        "sqnr_db": (gates.sqnr_db, figures.sqnr_db),
        "size_ratio": (gates.size_ratio, figures.float_bytes),
        "latency_us": (gates.latency_us, figures.latency),
    }
    for name, (limit, found) in wanted.items():
        if limit is not None and found is None:
            yield f"gate {name} was not judged: there is nothing to measure it on"
