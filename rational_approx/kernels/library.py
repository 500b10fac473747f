"""The functions that a formula calls: each is made once, with its reduction, and has a name of its own."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from rational_approx.arithmetic.floats import FORMATS
from rational_approx.kernels.arctangents import arctangent, arctangent_degree
from rational_approx.kernels.differences import expm1, expm1_degree, log1p
from rational_approx.kernels.kernel import Function
from rational_approx.kernels.logarithms import logarithm, logarithm_degree
from rational_approx.kernels.own_sines import own_sine
from rational_approx.kernels.quotients import QUOTIENTS, quotient_function
from rational_approx.kernels.reductions import degree_for, exponential
from rational_approx.kernels.scheme import PLAIN, Scheme
from rational_approx.kernels.sines import Turns, sine, sine_degree
from rational_approx.kernels.sums import KINDS as SUMS
from rational_approx.kernels.sums import sum_function

__all__ = ["Called", "Functions", "Library", "NoFormula", "Within", "functions_of", "kind_of"]


class NoFormula(ArithmeticError):
    """A target that is not made of these operations and functions."""


class Called(NamedTuple):
    """A function that a formula calls: its kind, and of a sine or cosine the turns for a unit of x; in the format of
    the results also the power of two up to which it is wanted."""

    kind: str
    turns: Turns | None = None
    reach: int | None = None


def functions_of(format: str, inner: str) -> tuple[str, ...]:
    """The kinds of functions of any number that code may call; that of a sine takes x itself."""
    return (*SUMS, *QUOTIENTS) if format == inner else ("exp", "log")


def kind_of(function: Function) -> str:
    """The kind of a function: its name without a number."""
    return function.name.split("_")[0]


class Functions(Protocol):
    """Where the functions of a formula come from: made, or those of a kernel."""

    @property
    def format(self) -> str: ...

    @property
    def inner(self) -> str: ...

    @property
    def scheme(self) -> Scheme: ...

    def function(self, called: Called) -> Function: ...


@dataclass(frozen=True)
class Within:
    """The same functions, those of waves for numbers up to a power of two."""

    functions: Functions
    reach: int

    @property
    def format(self) -> str:
        return self.functions.format

    @property
    def inner(self) -> str:
        return self.functions.inner

    @property
    def scheme(self) -> Scheme:
        return self.functions.scheme

    def function(self, called: Called) -> Function:
        """The function that is wanted."""
        return self.functions.function(called if called.turns is None else called._replace(reach=self.reach))


class Library:
    """Functions for code of a format, whose own errors are below a bound; each is made once."""

    def __init__(self, format: str, inner: str, error: float, scheme: Scheme) -> None:
        self.format, self.inner, self.error, self.scheme = format, inner, error, scheme
        self.made: dict[Called, Function] = {}

    def function(self, called: Called) -> Function:
        """The operations of a function."""
        if called not in self.made:
            self.made[called] = self.written(called)
        return self.made[called]

    def written(self, called: Called) -> Function:
        """The operations, under a name that no other function has."""
        inner = self.inner
        if self.format == inner:
            if called.turns is not None:
                if any(called.turns.shift):
                    raise NoFormula(f"in {inner} itself a {called.kind} is reduced where it is one of a multiple of x")
                reach = FORMATS[inner][2] if called.reach is None else called.reach
                return own_sine(self.named(called), called.turns, inner, reach, self.scheme)
            if called.kind in QUOTIENTS:
                if self.scheme != PLAIN:
                    raise NoFormula(f"{called.kind} in {inner} itself is written in Horner's order alone")
                return quotient_function(called.kind, inner)
            return sum_function(called.kind, inner, self.scheme)
        if called.kind == "exp":
            return exponential(degree_for(self.error, inner), inner, self.scheme)
        if called.kind == "log":
            return logarithm("log", logarithm_degree(self.error, inner), inner, self.scheme)
        if called.kind == "expm1":
            return expm1("expm1", expm1_degree(self.error, inner), inner)
        if called.kind == "log1p":
            return log1p("log1p", logarithm_degree(self.error, inner), inner)
        if called.kind == "atan":
            return arctangent("atan", arctangent_degree(self.error, inner), inner)
        assert called.turns is not None
        return sine(self.named(called), called.turns, sine_degree(self.error, inner), self.format, self.scheme)

    def named(self, called: Called) -> str:
        """A name that no other function of the kind has."""
        count = sum(other.kind == called.kind for other in self.made)
        return f"{called.kind}_{count + 1}" if count else called.kind
