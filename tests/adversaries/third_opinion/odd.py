"""Evidence that proves nothing, for statements that are false: coverings with gaps, references of no points."""

import random
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any

from tests.adversaries.third_opinion.meaning import pieces
from tests.adversaries.third_opinion.refuter import Statement

__all__ = ["odd"]


def odd(draw: random.Random, stated: Statement) -> Statement:
    """A false statement, sometimes with other parts or another reference or witness."""
    if stated.samples is None and draw.random() < 0.3:
        stated = replace(stated, parts=_parts(draw, stated))
    if stated.best_lower and draw.random() < 0.6:
        stated = replace(stated, references=_references(draw, stated))
    if stated.lower and draw.random() < 0.2:
        stated = replace(
            stated, witness=(draw.choice((0, 0, 1, -1, 7)), draw.choice((inf, -inf, Fraction(99), Fraction(0))))
        )
    return stated


def _parts(draw: random.Random, stated: Statement) -> tuple[Any, ...]:
    known, parts = pieces(stated.domain, stated.breakpoints), list(stated.parts)
    low, high = known[0][0], known[-1][1]
    middle = (low + high) / 2 if -inf < low and high < inf else Fraction(1)
    style = draw.randrange(9)
    if style == 0:
        return ()
    if style == 1:
        return ((0, middle, inf),)
    if style == 2:
        return ((0, -inf, inf),)
    if style == 3:
        return tuple((0, a, b) for _, a, b in parts)
    if style == 4:
        return tuple((piece, b, a) for piece, a, b in parts)
    if style == 5:
        return tuple(reversed(parts))
    if style == 6 and parts:
        del parts[draw.randrange(len(parts))]
        return tuple(parts)
    if style == 7 and parts:  # over the same place there and back again
        piece, a, b = parts[0]
        return ((piece, a, b), (piece, b, a), *parts)
    return ((0, low, low), *((k, b, b) for k, (_, b) in enumerate(known)))


def _references(draw: random.Random, stated: Statement) -> tuple[Any, ...]:
    known = pieces(stated.domain, stated.breakpoints)
    low = known[0][0] if known[0][0] > -inf else Fraction(-3)
    high = known[-1][1] if known[-1][1] < inf else Fraction(3)
    count = draw.choice((0, 1, 2, sum(stated.type) + 2, sum(stated.type) + 2))
    given = [point for _, points in stated.references for point in points]
    signs = [draw.choice((1, -1)), 0]
    signs[1] = -signs[0]
    style, points = draw.randrange(5), []
    for k in range(count):
        sign = signs[k % 2]
        if style == 0:  # the same point again and again
            points.append((0, low, sign))
        elif style == 1 and given:
            points.append((*given[k % len(given)][:2], sign))
        elif style == 2:
            points.append((k, draw.choice((low, high)), sign))
        elif style == 3:
            points.append((0, draw.choice((inf, -inf, high + k)), sign))
        else:
            points.append((0, low + (high - low) * Fraction(k, max(1, count - 1)), sign))
    pattern = (1,) * len(stated.domain)
    return ((pattern, tuple(points)),) * draw.choice((1, 1, 2))
