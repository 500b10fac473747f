"""The global precision of mpmath and python-flint: what threads, interrupts and forks leave of it."""

import multiprocessing
import os
import subprocess
import sys
import threading

import flint
import mpmath
import pytest

from rational_approx import fit
from rational_approx.arithmetic.precision import held_precision, series_length, working_bits, working_precision
from tests.adversaries.threads import differences

# A program that is interrupted again and again while it fits and saves, and says what was left behind.
INTERRUPTED = """
import _thread, os, signal, sys, threading, flint, mpmath
from rational_approx import certify, fit, save
folder, stopped = sys.argv[1], 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell ignores it
for k in range(12):
    timer = threading.Timer(0.02 + 0.03 * k, _thread.interrupt_main)
    try:
        timer.start()
        while timer.is_alive():
            found = fit("exp(x)", (3, 2), (-1, 1), digits=30)
            save(certify(found), folder + "/proof.json")
        timer.join()
    except KeyboardInterrupt:
        stopped += 1
    timer.join()
    assert (mpmath.mp.prec, flint.ctx.prec, flint.ctx.cap) == (53, 53, 10), (k, mpmath.mp, flint.ctx)
assert set(os.listdir(folder)) <= {"proof.json"}, os.listdir(folder)
print(stopped)
"""


def test_threads_give_the_answers_of_one_thread():
    assert differences(8, threads=4) == []


@pytest.mark.slow
def test_threads_give_the_answers_of_one_thread_for_many_jobs():
    assert differences(60, threads=8, first=1000) == []


def test_an_interrupt_leaves_precision_and_files_as_they_were(tmp_path):
    program = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert (done.stderr, done.returncode) == ("", 0)
    assert int(done.stdout) > 8  # an interrupt within a destructor is lost, as everywhere in Python


@pytest.mark.parametrize("block", [working_bits, working_precision, series_length])
def test_an_exception_restores_everything(block):
    before = mpmath.mp.prec, flint.ctx.prec, flint.ctx.cap
    with pytest.raises(KeyboardInterrupt), block(77), block(5):
        raise KeyboardInterrupt
    assert before == (mpmath.mp.prec, flint.ctx.prec, flint.ctx.cap)


def test_an_interrupt_while_the_precision_is_restored(monkeypatch):
    prec, interrupted = type(mpmath.mp).prec, iter([False, True, False])  # set, restored, and once more

    def set_precision(context, bits):
        if next(interrupted):
            raise KeyboardInterrupt
        prec.fset(context, bits)

    before = mpmath.mp.prec, flint.ctx.prec
    monkeypatch.setattr(type(mpmath.mp), "prec", property(prec.fget, set_precision))
    with pytest.raises(KeyboardInterrupt), working_bits(77):
        pass
    assert before == (mpmath.mp.prec, flint.ctx.prec)


def test_a_thread_keeps_its_precision_while_another_waits():
    seen, inside, done = [], threading.Event(), threading.Event()

    def other():
        inside.wait()
        with held_precision() as bits:
            seen.append(bits)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with working_bits(400), held_precision() as own:
        inside.set()
        assert not done.wait(0.2)
        seen.append((own, mpmath.mp.prec, flint.ctx.prec))
    thread.join()
    assert seen == [(400, 400, 400), mpmath.mp.prec]


def test_a_user_sets_the_precision_of_what_comes_back():
    r = fit("exp(x)", (2, 2), (-1, 1)).rational
    with mpmath.workdps(40):
        third = r(mpmath.mpf(1) / 3)
    assert third != mpmath.mpf(third)  # more than the 53 bits that are set here


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_inherit_the_precision_of_a_thread():
    inside, leave = threading.Event(), threading.Event()

    def work():
        with working_bits(900):
            inside.set()
            leave.wait(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=lambda: results.put(held_bits()))
    child.start()
    assert results.get(timeout=20) == (53, 53)
    child.join()
    thread.join()


def held_bits():
    with held_precision() as bits:
        return bits, flint.ctx.prec
