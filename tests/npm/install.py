#!/usr/bin/python3
"""Installs the npm packages that package-lock.json names into FOLDER/node_modules: nothing where these very versions are there already.

    install.py FOLDER
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = ("package.json", "package-lock.json", ".npmrc")
TRIES = 4


def wanted():
    digest = hashlib.sha256()
    for name in FILES:
        with open(os.path.join(HERE, name), "rb") as f:
            digest.update(f.read())
    return digest.hexdigest()


def npm_ci(folder):
    """What went wrong; nothing if all is there."""
    if not shutil.which("npm"):
        return "npm is not on PATH (Debian: apt-get install --no-install-recommends nodejs npm; tools/test does that)"
    said = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(2 ** attempt)
        try:
            run = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, timeout=180, text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            said = "npm ci did not end within 180 s"
            continue
        if run.returncode == 0:
            return ""
        said = run.stdout[-3000:]
    return f"npm ci failed {TRIES} times in {folder}; its last words:\n{said}"


def install(folder):
    """The node_modules folder; RuntimeError in words where it cannot be had. Several may ask at once."""
    os.makedirs(folder, exist_ok=True)
    modules, stamp = os.path.join(folder, "node_modules"), os.path.join(folder, "installed")
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(modules) and os.path.exists(stamp):
            with open(stamp, encoding="utf-8") as f:
                if f.read() == wanted():
                    return modules
        for name in FILES:
            shutil.copy(os.path.join(HERE, name), folder)
        trouble = npm_ci(folder)
        if trouble:
            raise RuntimeError(trouble)
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(wanted())
    return modules


if __name__ == "__main__":
    try:
        print(install(sys.argv[1]))
    except RuntimeError as error:
        sys.exit(f"npm packages: {error}")
