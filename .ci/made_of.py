"""What a program is made of, as cargo builds it; .ci/notices and .ci/sbom read it in."""
import json
import subprocess
import sys

# Nothing is left beside the sources.
sys.dont_write_bytecode = True


def cargo(*arguments):
    """What cargo says to a command about what is locked."""
    asked = ["cargo", *arguments, "--locked"]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout


def made_of(target):
    """Each crate of the program for a target, as (name, version), with those that it uses itself.

    It is asked of `cargo tree`, since `cargo metadata` has crates as well that a feature names weakly
    (`x509-parser?/verify`) and that nothing turns on. With `-e normal`, what only builds or tests isn't
    part of it; macros are.
    """
    told = cargo("tree", "-e", "normal", "--target", target, "--prefix", "depth", "--format", " {p}")
    uses, way = {}, []
    for line in told.splitlines():
        # `2 memchr v2.8.3 (*)`: how deep, name, version, and then what needn't be told again.
        depth, name, version, *_ = line.split()
        crate = (name, version.removeprefix("v"))
        way = [*way[: int(depth)], crate]
        uses.setdefault(crate, set())
        if len(way) > 1:
            uses[way[-2]].add(crate)
    return uses


def packages(target):
    """What `cargo metadata` tells of these crates: (name, version) → package."""
    told = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    known = {(it["name"], it["version"]): it for it in told["packages"]}
    return {crate: known[crate] for crate in made_of(target)}
