#!/usr/bin/env python3
"""An independent check of an extracted bag by RFC 8493: completeness and fixity. Shares no code with
pairdump. usage: bagcheck.py FOLDER...; exit 1 if any is not valid."""
import hashlib
import os
import re
import sys


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest().encode()


def manifest(path):
    lines = {}
    with open(path, "rb") as f:
        for line in f.read().split(b"\n"):
            if line:
                hexa, name = line.split(b"  ", 1)
                name = re.sub(rb"%(0[AaDd]|25)", lambda m: bytes([int(m[1], 16)]), name)
                assert name not in lines, name
                lines[name] = hexa
    return lines


def check(bag):
    bag = os.fsencode(bag)
    problems = []
    with open(os.path.join(bag, b"bagit.txt"), "rb") as f:
        if not re.fullmatch(rb"BagIt-Version: 1\.0\nTag-File-Character-Encoding: UTF-8\n", f.read()):
            problems.append("bagit.txt")
    listed = manifest(os.path.join(bag, b"manifest-sha256.txt"))
    tags = manifest(os.path.join(bag, b"tagmanifest-sha256.txt"))
    found, octets = set(), 0
    for folder, _, files in os.walk(os.path.join(bag, b"data")):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found.add(os.path.relpath(path, bag))
                octets += os.path.getsize(path)
    for name in found ^ set(listed):
        problems.append("not in both bag and manifest: %r" % name)
    for name, hexa in list(listed.items()) + list(tags.items()):
        path = os.path.join(bag, name)
        if os.path.exists(path) and digest(path) != hexa:
            problems.append("digest of %r" % name)
    for name in (b"bagit.txt", b"bag-info.txt", b"manifest-sha256.txt"):
        if name not in tags:
            problems.append("not in the tag manifest: %r" % name)
    with open(os.path.join(bag, b"bag-info.txt"), "rb") as f:
        oxum = re.search(rb"^Payload-Oxum: (\d+)\.(\d+)$", f.read(), re.M)
    if not oxum or (int(oxum[1]), int(oxum[2])) != (octets, len(found)):
        problems.append("Payload-Oxum, found %d.%d" % (octets, len(found)))
    return problems


bad = False
for bag in sys.argv[1:]:
    for problem in check(bag):
        bad = True
        print("%s: %s" % (bag, problem))
sys.exit(bad)
