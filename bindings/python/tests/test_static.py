"""An interpreter that has OpenSSL in itself, as that of python-build-standalone."""

import os
import subprocess
import sys

import pytest

ctypes_util = pytest.importorskip("ctypes.util")  # an optional module

pytestmark = pytest.mark.skipif(
    "_ssl" not in sys.builtin_module_names, reason="this one's `_ssl` is a file of its own"
)

SAY = """
import ctypes, ssl, tsc
status = tsc.status()
print(hasattr(ctypes.CDLL(None), "SSL_new"), status.direct, status.reason)
"""


def say(**environment):
    words = subprocess.check_output(
        [sys.executable, "-c", SAY], env={**os.environ, **environment}, text=True
    ).split(maxsplit=2)
    return words[0] == "True", words[1] == "True", words[2].strip()


def test_it_is_reached_directly_if_it_shows_its_functions():
    shown, direct, reason = say(TSC_DIRECT="1")
    assert direct == shown
    assert shown or reason == "_ssl does not show the functions of its OpenSSL"


def test_another_openssl_in_the_process_is_not_taken_for_it():
    shown, *_ = say(TSC_DIRECT="1")
    other = ctypes_util.find_library("ssl")
    assert other is not None
    shown_by_any, direct, _ = say(TSC_DIRECT="1", LD_PRELOAD=other)
    assert shown_by_any
    assert direct == shown
