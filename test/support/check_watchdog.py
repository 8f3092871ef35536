#!/usr/bin/env python3
"""Checks that a test program with a hanging case names the case and ends, with everything that it has started."""
import os
import subprocess
import sys

test = subprocess.Popen(sys.argv[1:], env={**os.environ, "BROOD_CASE_LIMIT": "1"}, start_new_session=True,
                        stdout=subprocess.PIPE, text=True)
try:
    output, _ = test.communicate(timeout=60)
except subprocess.TimeoutExpired:
    sys.exit("The program has not ended, or a child of it holds its output open.")
for text in ("Not ended after 1 s in the test case: hanging: a case that does not end\n",
             "test cases: 2 | 1 passed | 1 failed"):
    if text not in output:
        sys.exit(f"{text!r} is missing in:\n{output}")
if test.returncode == 0:
    sys.exit("The program reports success.")
