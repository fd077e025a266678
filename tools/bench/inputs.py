#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The dstack for Linux authors
"""Make the files and policies with which lookup and loading are measured.

In the directory given: known-N and unknown-N, small files, and policies with
a section "lookup" of a thousand and of a hundred thousand digests, those of
known-N among them. The digests are spread as real ones are.
"""

import hashlib
import json
import os
import sys

FILES = 64
SIZES = {"1k": 1000, "100k": 100000}
# Higher than those of the policies before.
EPOCHS = {"1k": 1000, "100k": 1001}
APP_ID = "0" * 40


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def rule(content):
    return {"digest": "sha256:" + hashlib.sha256(content).hexdigest(),
            "kinds": ["exec"]}


def main():
    directory = sys.argv[1]
    known = [b"known %d\n" % number for number in range(FILES)]
    for number, content in enumerate(known):
        write(os.path.join(directory, f"known-{number}"), content)
        write(os.path.join(directory, f"unknown-{number}"),
              b"un" + content)
    for name, size in SIZES.items():
        others = (b"other %d\n" % number for number in range(size - FILES))
        rules = [rule(content) for content in known]
        rules += [rule(content) for content in others]
        policy = {"version": 1, "epoch": EPOCHS[name], "app_id": APP_ID,
                  "containers": {"lookup": {"allow": rules}}}
        write(os.path.join(directory, f"policy-{name}.json"),
              json.dumps(policy).encode())


if __name__ == "__main__":
    main()
