#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (C) The dstack for Linux authors
"""Run one emulated machine and hand on what its agent reports.

Frames from the guest (see agent.c) become standard output, standard error,
files and the exit status. The machine never outlives this process.
"""

import argparse
import os
import select
import signal
import struct
import subprocess
import sys
import time

TIMED_OUT = 124
BOOT_FAILED = 125
CHUNK = 1 << 16
CONSOLE_LINES = 12


class Failure(Exception):
    """The run ended without an exit status from the command."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


class Machine:
    """QEMU, its console log, and the pipe that the agent's port leads to."""

    def __init__(self, args):
        self.args = args
        self.ready = False
        self.deadline = time.monotonic() + args.timeout
        self.tar = None
        self.pending = bytearray()
        self.pipe, write_end = os.pipe()
        self.log_path = os.path.join(args.dir, "qemu.log")
        command = args.qemu + [
            "-run-with", "exit-with-parent=on",
            "-chardev", f"file,id=agent,path=/dev/fd/{write_end}",
            "-device", "virtserialport,chardev=agent,name=agent",
            "-serial", f"file:{self.console_path()}",
        ]
        with open(self.log_path, "wb") as log:
            self.qemu = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[write_end])
        os.close(write_end)

    def console_path(self):
        return os.path.join(self.args.dir, "console.log")

    def console_lines(self):
        """What the guest printed; nothing if it never started."""
        try:
            with open(self.console_path(), "rb") as console:
                return console.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def read(self, size):
        """Return exactly size bytes, or raise what stopped the machine."""
        while len(self.pending) < size:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise Failure(TIMED_OUT, f"timed out after {self.args.timeout} s, "
                              + ("running the command" if self.ready
                                 else "booting"))
            data = os.read(self.pipe, CHUNK)
            if not data:
                raise Failure(BOOT_FAILED, self.why_stopped())
            self.pending += data
        data = bytes(self.pending[:size])
        del self.pending[:size]
        return data

    def why_stopped(self):
        """A sentence for a machine that ended before its command did."""
        status = self.qemu.wait()
        with open(self.log_path, "rb") as log:
            words = log.read().decode(errors="replace").strip().splitlines()
        said = ": " + "; ".join(words[-2:]) if words else ""
        if status:
            return f"qemu ended with status {status}{said}"
        for line in self.console_lines():
            if "Kernel panic" in line:
                return f"guest panicked: {line.strip()}"
        return f"guest stopped before the command ended{said}"

    def console_tail(self):
        """The last lines on the console, for a person to see at once."""
        return "".join(f"console| {line}\n"
                       for line in self.console_lines()[-CONSOLE_LINES:])

    def unpack(self, data):
        """Feed one part of the archive of /out to tar."""
        if not self.args.out:
            return
        if not self.tar:
            os.makedirs(self.args.out, exist_ok=True)
            self.tar = subprocess.Popen(
                ["tar", "-x", "--no-same-owner", "-C", self.args.out],
                stdin=subprocess.PIPE)
        self.tar.stdin.write(data)

    def finish_out(self):
        """Wait until everything from /out is there."""
        if not self.tar:
            return
        self.tar.stdin.close()
        if self.tar.wait():
            raise Failure(BOOT_FAILED, f"can't unpack /out to {self.args.out}")

    def run(self):
        """Handle frames until the command's exit status arrives."""
        while True:
            kind, size = struct.unpack("<cI", self.read(5))
            data = self.read(size)
            if kind == b"O":
                write_all(1, data)
            elif kind == b"E":
                write_all(2, data)
            elif kind == b"T":
                self.unpack(data)
            elif kind == b"R":
                self.ready = True
                self.forget_images()
                self.note_boot_time()
            elif kind == b"F":
                raise Failure(BOOT_FAILED, data.decode(errors="replace"))
            elif kind == b"S":
                self.finish_out()
                return data[0]
            else:
                raise Failure(BOOT_FAILED, f"unknown frame {kind!r} from guest")

    def forget_images(self):
        """QEMU has them open, and they are big: leave nothing behind."""
        for name in ("overlay.tar", "copy.img"):
            try:
                os.unlink(os.path.join(self.args.dir, name))
            except FileNotFoundError:
                pass

    def note_boot_time(self):
        took = self.args.timeout - (self.deadline - time.monotonic())
        with open(os.path.join(self.args.dir, "boot-seconds"), "w",
                  encoding="ascii") as file:
            file.write(f"{took:.2f}\n")

    def stop(self):
        """End QEMU: politely first, so that a plugin can close its files."""
        if self.qemu.poll() is None:
            self.qemu.terminate()
            try:
                self.qemu.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()


def write_all(fd, data):
    """Write without buffering: output is live and in order."""
    while data:
        data = data[os.write(fd, data):]


def interrupted(number, _frame):
    raise Failure(128 + number, "interrupted")


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--timeout", type=int, required=True)
    parser.add_argument("--out")
    parser.add_argument("qemu", nargs="+")
    return parser.parse_args()


def main():
    args = parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    # A reader that went away ends us, and with us the machine.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    machine = Machine(args)
    try:
        status = machine.run()
    except Failure as failure:
        print(f"{machine.console_tail()}td: {failure}\n"
              f"td: console: {machine.console_path()}", file=sys.stderr)
        status = failure.status
    finally:
        machine.stop()
    return status


if __name__ == "__main__":
    sys.exit(main())
