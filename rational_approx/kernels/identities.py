"""The same function in another form, of which no part overflows or cancels where the function does not.

The new formula is the target that code is proved for, and the one in its certificate. Every rule is an identity over
all real x, at which either side has a value where the other one has.
"""

from collections.abc import Callable
from fractions import Fraction
from math import isqrt

from rational_approx.arithmetic.polynomials import exact
from rational_approx.expressions.holes import holes, logarithms
from rational_approx.expressions.nodes import ExpressionError, Node, build, number
from rational_approx.expressions.quotients import polynomial
from rational_approx.kernels.known_as import known_as, minus, splits

__all__ = ["settled", "uncancelled"]

ONE, TWO = number(1), number(2)


def settled(tree: Node) -> Node:
    """A tree with the rules applied from its leaves on.

    >>> from rational_approx.expressions.nodes import text
    >>> from rational_approx.expressions.parser import parse_tree
    >>> [text(settled(parse_tree(each, "x"))) for each in ("exp(x) / (exp(x) + 1)^2", "1 - cos(x)", "log(x^2)")]
    ['sigmoid(x) * sigmoid(-x)', '2 * sin(x / 2) ^ 2', '2 * log(abs(x))']
    >>> text(settled(parse_tree("3 * sin(x) - 4 * cos(x)", "x")))
    '5 * sin(x - atan(4/3))'
    """
    if not tree.arguments:
        return tree
    named = known_as(tree)
    if named is not None:
        return settled(named)
    if tree.operator == "where" and _difference(tree.arguments[1]) == tree:  # a sum that is settled
        return tree
    try:
        built = build(tree.operator, *map(settled, tree.arguments))
    except ExpressionError:  # a number without a value, as in x / log(exp(0))
        return tree
    found = next(filter(None, (rule(built) for rule in RULES.get(built.operator, ()))), built)
    return found if found == tree or _limits(tree) <= _limits(found) else tree


def _limits(tree: Node) -> set[Fraction]:
    """The points at which a quotient, or a product with a logarithm, has a limit for a value. Switches hide some: there
    is one in log((2 x - 1)^2) / x at 0, and none is seen with log(abs(2 x - 1))."""
    if tree.operator == "/":
        return {point for point, _ in holes(tree)}
    return {point for _, points in logarithms(tree) for point in points} if tree.operator == "*" else set()


def uncancelled(tree: Node) -> Node:
    """The same as `settled`, and also without sums of 1 and what comes near to -1, of which nothing would be left where
    a function is smaller than the last digit of 1.

    >>> from rational_approx.expressions.nodes import text
    >>> from rational_approx.expressions.parser import parse_tree
    >>> [text(uncancelled(parse_tree(each, "x"))) for each in ("1 + erf(x / 2)", "1 - tanh(x)")]
    ['erfc(-(x / 2))', '2 * sigmoid(-2 * x)']
    """
    return _without_loss(settled(tree))


def _without_loss(tree: Node) -> Node:
    if not tree.arguments:
        return tree
    tree = build(tree.operator, *map(_without_loss, tree.arguments))
    for one, other in splits(tree):
        falls = other.operator == "neg"
        inner = other.arguments[0] if falls else other
        if one == ONE and inner.operator == "erf":
            return build("erfc", inner.arguments[0] if falls else minus(inner.arguments[0]))
    return tree


def _sigmoid(u: Node) -> Node:
    return build("sigmoid", u)


def _exponent_beside_one(tree: Node) -> Node | None:
    """u of ``1 + exp(u)``."""
    for one, other in splits(tree):
        if one == ONE and other.operator == "exp":
            return other.arguments[0]
    return None


def _over_logistic(tree: Node) -> Node | None:
    """``a / (1 + exp(u))^n`` by sigmoids."""
    top, bottom = tree.arguments
    base, power = bottom, Fraction(1)
    if bottom.operator == "^" and bottom.arguments[1].value is not None:
        base, power = bottom.arguments[0], bottom.arguments[1].value
    u = _exponent_beside_one(base)
    if u is None or power.denominator > 1 or not 1 <= power <= 6:
        return None
    factors, falls = [_sigmoid(minus(u))] * int(power), list(top.arguments) if top.operator == "*" else [top]
    grown = build("exp", u)
    if grown in falls:
        falls.remove(grown)
        factors = [_sigmoid(u), *factors[1:]]
    rest = [part for part in falls if part != ONE]
    return build("*", *rest, *factors) if rest or factors[1:] else factors[0]


def _of_square(tree: Node) -> Node | None:
    """``log(u^n)`` for an even n, ``log(exp(u))`` and ``log(sigmoid(u))``, and ``log(2 + cos(u))``."""
    inner = tree.arguments[0]
    for one, other in splits(inner):
        wave = other.arguments[0] if other.operator == "neg" else other
        if one == TWO and wave.operator == "cos":  # it vanishes with its derivative
            return build("log1p", _half("cos" if wave is other else "sin", wave.arguments[0]))
    if inner.operator == "exp":
        return inner.arguments[0]
    if inner.operator == "sigmoid":
        return build("neg", build("softplus", minus(inner.arguments[0])))
    if inner.operator == "^":
        power = inner.arguments[1].value
        if power is not None and power.denominator == 1 and power % 2 == 0 and power:
            return build("*", number(power), build("log", build("abs", inner.arguments[0])))
    return None


def _difference(tree: Node) -> Node | None:
    """Sums of two parts that cancel."""
    wave = _one_wave(tree)
    if wave is not None:
        return wave
    for one, other in splits(tree):
        taken = other.arguments[0] if other.operator == "neg" else None
        if one == ONE and taken is not None:
            if taken.operator == "sigmoid":
                return _sigmoid(minus(taken.arguments[0]))
            if taken.operator == "cos":
                return _half("sin", taken.arguments[0])
            if taken.operator == "tanh":
                return build("*", TWO, _sigmoid(build("*", number(-2), taken.arguments[0])))
            if taken.operator == "^" and taken.arguments[1] == TWO and taken.arguments[0].operator == "tanh":
                u = build("*", TWO, taken.arguments[0].arguments[0])
                return build("*", number(4), _sigmoid(u), _sigmoid(minus(u)))
        if one == ONE and other.operator == "expm1":
            return build("exp", other.arguments[0])
        if one == ONE and other.operator == "cos":
            return _half("cos", other.arguments[0])
        if one == ONE and other.operator == "tanh":
            return build("*", TWO, _sigmoid(build("*", TWO, other.arguments[0])))
        if one.value == -1 and other.operator == "cos":
            return build("neg", _half("sin", other.arguments[0]))
        if one.value == -1 and other.operator == "tanh":
            return build("*", number(-2), _sigmoid(build("*", number(-2), other.arguments[0])))
        if one.value == -1 and other.operator == "cosh":
            return _half("sinh", other.arguments[0])
        if one.value == -1 and other.operator == "sqrt":
            for unit, square in splits(other.arguments[0]):
                if unit == ONE and square.operator == "^" and square.arguments[1] == TWO:
                    return build("/", square, build("+", other, ONE))
        found = _squares(one, other, taken) or _small_sum(one, other) or _beside_one(one, other)
        if found is not None:
            return found
    return None


def _half(kind: str, u: Node) -> Node:
    """``2 f(u / 2)^2``."""
    return build("*", TWO, build("^", build(kind, build("/", u, TWO)), TWO))


def _small_sum(root: Node, u: Node) -> Node | None:
    """``sqrt(u^2 + c) + u``, which cancels where u is negative, for a polynomial u and a positive c."""
    p, q = polynomial(u), polynomial(root.arguments[0]) if root.operator == "sqrt" else None
    if p is None or q is None or p.degree() < 1 or (q - p * p).degree() > 0 or not (q - p * p)[0] > 0:
        return None
    over = build("/", number(exact((q - p * p)[0])), build("+", root, minus(u)))
    return build("where", build(">", u, number(0)), build("+", u, root), over)


def _beside_one(one: Node, other: Node) -> Node | None:
    """``1 + u / (1 + abs(u))`` and ``1 + u / sqrt(u^2 + c)``, which cancel where u is negative, for a polynomial u and
    a positive c; and ``1 - u / ...``."""
    falls, ratio = other.operator == "neg", other.arguments[0] if other.operator == "neg" else other
    if one != ONE or ratio.operator != "/":
        return None
    top, bottom = ratio.arguments
    u = minus(top) if falls else top
    p = polynomial(u)
    if p is None or p.degree() < 1:
        return None
    if any(unit == ONE and size in (build("abs", top), build("abs", u)) for unit, size in splits(bottom)):
        over = build("/", ONE, build("+", ONE, minus(u)))
        above = build("/", build("+", ONE, build("*", TWO, u)), build("+", ONE, u))
        return build("where", build(">", u, number(0)), above, over)
    q = polynomial(bottom.arguments[0]) if bottom.operator == "sqrt" else None
    if q is None or (q - p * p).degree() > 0 or not (q - p * p)[0] > 0:
        return None
    over = build("/", number(exact((q - p * p)[0])), build("*", bottom, build("+", bottom, minus(u))))
    return build("where", build(">", u, number(0)), build("+", ONE, build("/", u, bottom)), over)


def _amplitude(tree: Node, kind: str) -> tuple[Fraction, Node] | None:
    """A rational c and u of ``c sin(u)``, or of that of the cosine."""
    if tree.operator == kind:
        return Fraction(1), tree.arguments[0]
    if tree.operator == "neg":
        inner = _amplitude(tree.arguments[0], kind)
        return None if inner is None else (-inner[0], inner[1])
    if tree.operator == "*" and len(tree.arguments) == 2 and tree.arguments[0].value is not None:
        inner = _amplitude(tree.arguments[1], kind)
        return None if inner is None else (tree.arguments[0].value * inner[0], inner[1])
    return None


def _one_wave(tree: Node) -> Node | None:
    """``a sin(u) + b cos(u)`` as one sine."""
    for one, other in splits(tree):
        a, b = _amplitude(one, "sin"), _amplitude(other, "cos")
        if a is None or b is None or a[1] != b[1] or not a[0] or not b[0]:
            continue
        square, ratio = a[0] ** 2 + b[0] ** 2, b[0] / a[0]
        root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
        size = number(root) if root**2 == square else build("sqrt", number(square))
        quarter = build("/", Node("pi"), number(4))
        turn = build("atan", number(abs(ratio))) if abs(ratio) != 1 else quarter
        wave = build("sin", build("+", a[1], turn if ratio > 0 else build("neg", turn)))
        return build("*", size if a[0] > 0 else build("neg", size), wave)
    return None


def _squares(one: Node, other: Node, taken: Node | None) -> Node | None:
    """``c^2 - u^2`` and ``u^2 - c^2`` as products, for a rational c."""
    square = taken if taken is not None and one.value is not None and one.value > 0 else other
    size = one.value if square is taken else -(one.value or 0)
    if square is None or size is None or size <= 0 or square.operator != "^" or square.arguments[1] != TWO:
        return None
    root = Fraction(isqrt(size.numerator), isqrt(size.denominator))
    if root**2 != size:
        return None
    u, c = square.arguments[0], number(root)
    if square is taken:
        return build("*", _added(c, minus(u)), _added(c, u))
    return build("*", _added(u, number(-root)), _added(u, c))


def _added(a: Node, b: Node) -> Node:
    """A sum by the rules."""
    total = build("+", a, b)
    return _difference(total) or total


def _power(tree: Node) -> Node | None:
    """``exp(u)^c``."""
    base, power = tree.arguments
    return build("exp", build("*", power, base.arguments[0])) if base.operator == "exp" and power.value else None


def _gudermannian(tree: Node) -> Node | None:
    """``atan(tanh(u))`` as ``atan(sinh(2 u)) / 2``, of which no part is near to a constant but far out."""
    inner = tree.arguments[0]
    if inner.operator != "tanh":
        return None
    u = inner.arguments[0]
    twice = u.arguments[0] if u.operator == "/" and u.arguments[1] == TWO else build("*", TWO, u)
    return build("*", number(Fraction(1, 2)), build("atan", build("sinh", twice)))


def _without_one(tree: Node) -> Node | None:
    """A product without a 1 in front, as numbers leave it."""
    one, *rest = tree.arguments
    return None if one != ONE else build("*", *rest) if rest[1:] else rest[0]


RULES: dict[str, tuple[Callable[[Node], Node | None], ...]] = {
    "/": (_over_logistic,),
    "log": (_of_square,),
    "+": (_difference,),
    "^": (_power,),
    "atan": (_gudermannian,),
    "*": (_without_one,),
}
"""The rules for a node, by its operator."""
