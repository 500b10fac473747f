"""`try_every`: the emitted C code of an implementation in float32, compiled and run at every number.

What its outputs are held to is a reference with a proof (:mod:`kernels.reference`), compiled beside it. Without a
compiler the operations are those of NumPy, which takes some times as long.
"""

import ctypes
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rational_approx import watch
from rational_approx.expressions.expression import parse
from rational_approx.kernels.counted import Contradiction, Counted, Outputs, counted
from rational_approx.kernels.decided import FORMAT
from rational_approx.kernels.implement import FixedImplementation, Implementation
from rational_approx.kernels.numbers import KINDS
from rational_approx.kernels.reference import Close, reference_for
from rational_approx.shipping.kernel_c import in_c
from rational_approx.verifier import Statement, Verification

__all__ = ["COMPILERS", "recounted", "try_every"]

COMPILERS = ("gcc", "clang")
"""Those that are looked for, in this order."""
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-Wno-unknown-pragmas", "-shared", "-fPIC")
LOOP = """
void run(const float *x, float *y, double *r, size_t count) {
    code_many(x, y, count);
    for (size_t i = 0; i < count; i++) r[i] = reference_unrounded((double)x[i]);
}
"""


def try_every(
    implementation: Implementation,
    *,
    compiler: str | None = None,
    progress: watch.Listener | None = None,
    time_limit: float | None = None,
) -> Counted:
    """Run code for float32 at all 4,278,190,080 finite numbers, and count: the largest error, the outputs that are the
    nearest number, those that are one of the two next to f(x), and turns against f.

    The code is that of ``export(implementation, "c")``, compiled here. A second code, proved to be within about
    1e-5 units in the last place of f and compiled beside it, tells right from wrong; where that is too little, f(x)
    itself is enclosed. It takes some minutes on one core. The counts rest on the compiler and the machine that ran the
    code, which the result names; :func:`verify` checks the proofs of both codes, and with ``every_input=True`` counts
    again.

    Parameters
    ----------
    implementation:
        What :func:`implement` returned for ``format="float32"``. Of 16-bit formats every number has been tried already.
    compiler:
        ``"gcc"``, ``"clang"`` or another command that understands their options, or ``"numpy"``: no compiler, some
        times slower. By default the first one that is found.
    progress, time_limit:
        See :func:`rational_approx.fit`.

    Raises
    ------
    ValueError
        for code in another format, or a compiler that is not there.
    NoKernel
        where no second code is near enough to f.
    TimeoutError
        where the time is over; nothing is known then.
    Contradiction
        where an output is further from f(x) than is proved: an ArithmeticError, which speaks against the compiler.
    """
    _check(implementation)
    command = _compiler(compiler)
    with watch.watched(progress, time_limit):
        try:
            watch.report("a second code is made that tells right from wrong", (0, 0))
            reference = reference_for(parse(implementation.expression), FORMAT)
            return counted_again(implementation, reference, command)
        except watch.OutOfTime:
            raise TimeoutError("the time was over before every number was tried: raise time_limit=") from None


def counted_again(implementation: Implementation, reference: Close, command: str) -> Counted:
    """The counts of an implementation beside a reference that is known, by a compiler or NumPy."""
    with _outputs(implementation, reference, command) as (outputs, by):
        return Counted(implementation, reference, counted(implementation, reference, outputs), by)


def recounted(value: Counted, outcome: Verification) -> Verification:
    """What the verifier says, with the counts of a new run beside those of the file."""
    by = "a run of the code at every number"
    words = f"the counts are those of {by}"
    try:
        again = counted_again(value.implementation, value.reference, _compiler(None))
        same, by = again.counts == value.counts, again.by
        reason = "" if same else f"{by} counts {again.counts}"
    except Contradiction as problem:
        same, reason = False, str(problem)
    made = Statement(words, by, "verified" if same else "refuted", reason)
    failures = outcome.failures if same else (*outcome.failures, f"refuted: {words}: {reason}")
    unchecked = tuple(line for line in outcome.unchecked if "--every-input" not in line)
    statements = (*outcome.statements, made)
    return Verification(made.outcome, failures, outcome.heading, statements, unchecked)


def _check(implementation: Implementation) -> None:
    if isinstance(implementation, FixedImplementation) or not isinstance(implementation, Implementation):
        raise ValueError("every input is tried of what implement(..., format='float32') returns")
    format = implementation.kernel.format
    if format in KINDS:
        raise ValueError(f"every number of {format} was tried when its code was made: see facts, or print it")
    if format != FORMAT:
        raise ValueError(f"every input is tried of code for {FORMAT}: {format} has too many")


def _compiler(name: str | None) -> str:
    """The command of a compiler, or ``numpy``."""
    if name is None:
        return next((each for each in COMPILERS if shutil.which(each)), "numpy")
    if name != "numpy" and shutil.which(name) is None:
        raise ValueError(f"there is no compiler {name!r}: install it, or give compiler='numpy', which is slower")
    return name


@contextmanager
def _outputs(implementation: Implementation, reference: Close, command: str) -> Iterator[tuple[Outputs, str]]:
    """The function of both outputs, and what runs it."""
    if command == "numpy":
        yield lambda x: (implementation.kernel(x), reference.kernel(x)), f"NumPy {np.__version__} on {_machine()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        version = _compiled(implementation, reference, command, Path(folder))
        library = ctypes.CDLL(str(Path(folder) / "code.so"))

        def outputs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            y, r = np.empty_like(x), np.empty(x.size)
            library.run(*(ctypes.c_void_p(each.ctypes.data) for each in (x, y, r)), ctypes.c_size_t(x.size))
            return y, r

        yield outputs, f"{version} on {_machine()}"


def _compiled(implementation: Implementation, reference: Close, command: str, folder: Path) -> str:
    """Compile both codes into a library; the compiler's name and version."""
    shared = (implementation.expression, "reference", reference.kernel, implementation.facts)
    other = Implementation(*shared, reference.within, implementation.segments)
    source = in_c(implementation, [], "code") + in_c(other, [], "reference") + LOOP
    (folder / "code.c").write_text(source, encoding="ascii")
    done = subprocess.run(
        (command, *FLAGS, "code.c", "-o", "code.so", "-lm"), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"{command} does not compile the code: {done.stderr.strip().splitlines()[-1:]}")
    told = subprocess.run((command, "-dumpfullversion", "-dumpversion"), capture_output=True, text=True, check=False)
    return f"{Path(command).name} {told.stdout.split()[0] if told.stdout.split() else '?'}"


def _machine() -> str:
    return platform.machine() or "an unknown machine"
