"""The lines that every client script prints, and names that no two runs share.

Usage: decorate functions with @check, end with main(). A check that raises has failed; its message is its reason.
"""
import os
import sys
import time
import traceback

CHECKS = []
RUN = f"{os.getpid()}-{int(time.time())}"


def bootstrap():
    return sys.argv[1]


def topic(name):
    """A topic (or group) name of this run."""
    return f"{name}-{RUN}"


def check(function):
    CHECKS.append(function)
    return function


def same(found, wanted, what="value"):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}"[:600])


def until(seconds, what, probe):
    """Polls probe() until it gives something true; the thing it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = probe()
        if result:
            return result
    raise AssertionError(f"{what}: not within {seconds} s")


def raises(kind, function):
    """The exception of that kind which function() raises."""
    try:
        result = function()
    except kind as error:
        return error
    raise AssertionError(f"nothing raised, but {result!r} returned")


def main(prefix):
    only = sys.argv[2:]
    for function in CHECKS:
        name = f"{prefix} {function.__name__}"
        if only and function.__name__ not in only:
            continue
        try:
            function()
            print(f"ok - {name}", flush=True)
        except BaseException as error:  # a client may raise anything; one failed check must not end the others
            reason = str(error).replace("\n", " ")[:400]
            print(f"not ok - {name}: {type(error).__name__}: {reason}", flush=True)
            traceback.print_exc(limit=-3, file=sys.stderr)
            if isinstance(error, KeyboardInterrupt):
                raise
    print(f"done - {prefix}", flush=True)
    os._exit(0)
