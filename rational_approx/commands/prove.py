"""The command `prove`: the statements of a certificate as a file that a proof assistant checks."""

from pathlib import Path

import click

from rational_approx.commands.console import NewFile, refusing
from rational_approx.coq.machine_proof import machine_proof
from rational_approx.files import write
from rational_approx.proof.certificate import Certificate
from rational_approx.shipping.storage import load

__all__ = ["prove_command"]


@click.command("prove")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--coq", "out", type=NewFile(), required=True, help="Coq file to write, e.g. proof.v.")
@click.option("--without-error", is_flag=True, help="Leave the target out: prove what is said of the rational alone.")
@refusing()
def prove_command(file: Path, out: Path, without_error: bool) -> None:
    """Write the statements of the certificate in FILE as a Coq file, for coqc to check.

    It says which statements the file proves, and which it leaves out.
    """
    # coqc makes a module of the file's name, and takes no other.
    if out.suffix != ".v" or not out.stem.isidentifier() or not out.stem.isascii():
        raise ValueError(f"a Coq file has a name of letters, digits and _ that ends in .v, not {out.name}")
    value = load(file)
    if not isinstance(value, Certificate):
        raise ValueError(f"{file} holds a {type(value).__name__}: certify it first, and save the certificate")
    proof = machine_proof(value, error=not without_error)
    for line in proof.proved:
        click.echo(f"proved by the file    {line}")
    for line in proof.left:
        click.echo(f"NOT proved by it      {line}")
    click.echo(f"wrote {write(proof.text, out)}")
    library = " (with the library coq-interval)" if proof.interval else ""
    click.echo(f"nothing is proved until coqc accepts it{library}: coqc {out}")
