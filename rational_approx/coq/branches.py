"""Which branch of a piecewise target holds on a piece, and the lines of Coq that prove it."""

from fractions import Fraction

from rational_approx.arithmetic.domain import End
from rational_approx.arithmetic.signs import sign_on
from rational_approx.coq.formulas import rational_formula, real, region
from rational_approx.expressions.nodes import Node, number
from rational_approx.expressions.quotients import quotient_of

__all__ = ["Branches", "jumping"]

_JUMPING = ("where", "sign", "heaviside")
_SWITCHING = ("abs", "max", "min")


def jumping(node: Node) -> bool:
    """Whether an expression holds switches whose value at the switching point itself does not count."""
    return any(part.operator in _JUMPING for part in node.walk())


class Branches:
    """The branches of expressions on one piece, with the proofs that they are those.

    ``steps`` are lines of a Coq proof that rewrite each maximum, minimum and absolute value, innermost first;
    ``orders`` are pairs of formulas ``(a, b)`` with ``a <= b`` on the piece, by which jumping switches were decided.
    """

    def __init__(self, lower: End, upper: End) -> None:
        self.lower, self.upper = lower, upper
        self.steps: list[str] = []
        self.orders: list[tuple[Node, Node]] = []
        self._seen: set[str] = set()

    def _sign(self, a: Node, b: Node) -> int | None:
        # The sign of a - b on the piece, None where it is no rational function.
        found = quotient_of(Node("+", (a, Node("neg", (b,)))))
        if found is None:
            return None
        product = found[0] * found[1]
        if product == 0:
            return 0
        sign = sign_on(product, self.lower, self.upper).weak
        if not sign:
            raise ValueError(
                f"a branch of the target switches where {real(a)} and {real(b)} are equal, which is at no rational "
                f"number between {float(self.lower):g} and {float(self.upper):g}: the Coq file needs rational "
                "breakpoints"
            )
        return sign

    def partial(self, node: Node) -> Node:
        """The tree with the jumping switches decided; maxima, minima and absolute values stay."""
        if not jumping(node):
            return node
        if node.operator not in _JUMPING:
            return Node(node.operator, tuple(map(self.partial, node.arguments)))
        condition = node.arguments[0]
        sides = condition.arguments if node.operator == "where" else (condition, number(0))
        a, b = map(self.full, sides)
        sign = self._sign(a, b)
        if sign is None:
            raise ValueError(
                f"the sign of {real(a)} - {real(b)} decides a branch, and it is no rational function: the Coq file "
                "knows branches that switch where a polynomial or a quotient of two changes its sign"
            )
        if sign <= 0:
            self.orders.append((a, b))
        if sign >= 0:
            self.orders.append((b, a))
        if node.operator == "sign":
            return number(sign)
        if node.operator == "heaviside":
            return number(Fraction(1 + sign, 2))
        wanted = condition.operator
        yes = wanted in ("<=", ">=") if sign == 0 else (sign > 0) == (wanted in (">", ">="))
        return self.partial(node.arguments[1] if yes else node.arguments[2])

    def full(self, node: Node) -> Node:
        """The tree without any branch, except absolute values of what is no rational function."""
        return self._plain(self.partial(node))

    def _plain(self, node: Node) -> Node:
        if not node.arguments:
            return node
        node = Node(node.operator, tuple(map(self._plain, node.arguments)), node.value)
        if node.operator not in _SWITCHING:
            return node
        a, b = node.arguments if node.operator != "abs" else (node.arguments[0], number(0))
        sign = self._sign(a, b)
        if sign is None:
            if node.operator == "abs":
                return node
            raise ValueError(
                f"{real(node)} switches at the sign of what is no rational function: the Coq file knows branches that "
                "switch where a polynomial or a quotient of two changes its sign"
            )
        rational = all(quotient_of(side) is not None for side in (a, b))
        if not rational:
            raise ValueError(f"{real(node)} has sides that are no rational functions: give it as where(...)")
        first = sign >= 0 if node.operator != "min" else sign <= 0
        # Written as a product: beside a sum, a - b and a + - b would be two texts for one formula.
        taken = a if first else b if node.operator != "abs" else Node("*", (number(-1), a))
        self._step(node, a, b, taken, first)
        return taken

    def _step(self, node: Node, a: Node, b: Node, taken: Node, first: bool) -> None:
        text = real(node)
        if text in self._seen:
            return
        self._seen.add(text)
        g = region(self.lower, self.upper)
        if node.operator == "abs":
            lemma = f"{'abs_itself' if first else 'abs_opposite'} {rational_formula(a)} {g} x"
        else:
            lemma = (
                f"{node.operator}_{'first' if first else 'second'} {rational_formula(a)} {rational_formula(b)} {g} x"
            )
        name = f"S{len(self._seen)}"
        self.steps += [
            f"  assert ({name} : {text} = {real(taken)}).",
            f"  {{ refine ({lemma} _ GX); compute_true. }}",
            f"  rewrite {name}.",
        ]
