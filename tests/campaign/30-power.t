#!/usr/bin/env python3
"""Power loss: a dump to disks is logged call by call (writes, syncs, names; the catalog's too). For moments
of the log the disk is built as a power cut would leave it: of files only what was synced, of folders
only the names that were synced, and in variants any pages and names of the rest too. Whatever the catalog of that
disk calls written or verified must be whole on that disk, and resume must be able to finish.

In short CAMPAIGN_TRIALS moments; in the long form every call, in several variants."""
import os
import random
import shutil
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
from bed import BUILD, LONG, SEED, Bed, Campaign, demand, workers  # noqa: E402

LAYER = os.path.join(BUILD, "tests/campaign/power.so")
PAGE = 4096
campaign = Campaign("power")


def read_log(path):
    """Events as tuples: what, then its words; a write has its bytes at the end."""
    events = []
    with open(path, "rb") as log:
        while line := log.readline():
            what, _, rest = line.rstrip(b"\n").partition(b" ")
            what = what.decode()
            if what == "write":
                inode, offset, length = map(int, rest.split())
                data = log.read(length)
                assert len(data) == length and log.read(1) == b"\n"
                events.append((what, inode, offset, data))
            elif what in ("create", "sync", "link", "truncate"):
                inode, _, rest = rest.partition(b" ")
                events.append((what, int(inode), int(rest) if what == "truncate" else os.fsdecode(rest)))
            elif what == "rename":
                events.append((what, os.fsdecode(rest), os.fsdecode(log.readline().rstrip(b"\n"))))
            elif what == "syncfs":
                events.append((what,))
            else:
                assert what in ("mkdir", "unlink"), line
                events.append((what, os.fsdecode(rest)))
    return events


class File:
    def __init__(self):
        self.durable = b""
        self.pending = []  # (offset, bytes), or (size, None) for a truncation


class Folder:
    def __init__(self):
        self.names = {}  # as they are
        self.durable = {}
        self.pending = []  # (name, object or None)

    def change(self, name, thing):
        if thing is None:
            self.names.pop(name, None)
        else:
            self.names[name] = thing
        self.pending.append((name, thing))


def applied(content, changes):
    content = bytearray(content)
    for offset, data in changes:
        if data is None:
            del content[offset:]
            content += bytes(offset - len(content))
        else:
            content += bytes(max(0, offset - len(content)))
            content[offset : offset + len(data)] = data
    return bytes(content)


def survivors(changes, rng):
    """Each page goes to the disk by itself, at any time or never: with it go the changes up to then."""
    until, kept = {}, []
    for i, (offset, data) in enumerate(changes):
        if data is None:
            kept += [(offset, None)] if rng.random() < 0.5 else []
            continue
        for page in range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1):
            if i < until.setdefault(page, rng.randrange(len(changes) + 1)):
                begin, end = max(offset, page * PAGE), min(offset + len(data), (page + 1) * PAGE)
                kept.append((begin, data[begin - offset : end - offset]))
    return kept


class Disk:
    """What the calls so far made, and what of it is bound to survive. Nothing survives without a sync of
    its file; no name without a sync of its folder."""

    def __init__(self, root):
        self.root = root
        self.top = Folder()
        self.inodes = {}
        for name in ("a", "b", "state"):  # there from the start
            self.top.names[name] = self.top.durable[name] = Folder()

    def at(self, path):
        """The folder that holds a path, and its name there; None for what is not followed."""
        words = os.path.relpath(path, self.root).split("/")
        folder = self.top
        for word in words[:-1]:
            folder = folder.names.get(word)
            if not isinstance(folder, Folder):
                return None, None
        return folder, words[-1]

    def apply(self, event):
        what = event[0]
        if what == "create":
            folder, name = self.at(event[2])
            self.inodes[event[1]] = File()
            if folder:
                folder.change(name, self.inodes[event[1]])
        elif what == "write" and event[1] in self.inodes:
            self.inodes[event[1]].pending.append((event[2], event[3]))
        elif what == "truncate" and event[1] in self.inodes:
            self.inodes[event[1]].pending.append((event[2], None))
        elif what == "sync":
            self.sync(event[1], event[2])
        elif what == "syncfs":
            self.sync_all(self.top)
        elif what == "mkdir":
            folder, name = self.at(event[1])
            if folder:
                folder.change(name, Folder())
        elif what == "unlink":
            folder, name = self.at(event[1])
            if folder:
                folder.change(name, None)
        elif what == "rename":
            (old, name), (new, target) = self.at(event[1]), self.at(event[2])
            thing = old and old.names.get(name)
            if thing:
                old.change(name, None)
                new.change(target, thing)
        elif what == "link" and event[1] in self.inodes:
            folder, name = self.at(event[2])
            if folder:
                folder.change(name, self.inodes[event[1]])

    def sync(self, inode, path):
        folder, name = self.at(path)
        thing = folder and folder.names.get(name)
        if isinstance(thing, Folder):
            thing.durable, thing.pending = dict(thing.names), []
        elif inode in self.inodes:
            file = self.inodes[inode]
            file.durable, file.pending = applied(file.durable, file.pending), []

    def sync_all(self, folder):
        folder.durable, folder.pending = dict(folder.names), []
        for thing in folder.names.values():
            if isinstance(thing, Folder):
                self.sync_all(thing)
            else:
                thing.durable, thing.pending = applied(thing.durable, thing.pending), []

    def build(self, where, rng, folder=None):
        """Writes the surviving disk; with rng, also any part of what was not bound to survive."""
        folder = folder or self.top
        names = dict(folder.durable)
        for name, thing in folder.pending:
            if rng and rng.random() < 0.5:
                if thing is None:
                    names.pop(name, None)
                else:
                    names[name] = thing
        os.makedirs(where, exist_ok=True)
        for name, thing in names.items():
            path = os.path.join(where, name)
            if isinstance(thing, Folder):
                self.build(path, rng, thing)
            else:
                with open(path, "wb") as file:
                    file.write(applied(thing.durable, survivors(thing.pending, rng) if rng else []))


class PowerBed(Bed):
    def __init__(self, root):
        super().__init__(("disk", "disk"), root)
        self.wanted = {os.path.join(self.src, path): what[1]
                       for path, what in oracle.tree(self.src).items() if what[0] == "f"}
        log = os.path.join(root, "log")
        env = {"LD_PRELOAD": LAYER, "PD_POWER_ROOT": root, "PD_POWER_LOG": log}
        code, _, told = self.dump(env=env)
        assert code == 0, told
        self.events = [event for event in read_log(log) if self.is_ours(event)]
        syncs = sum(event[0] == "sync" for event in self.events)
        assert syncs > 10 and any(event[0] == "create" and event[2] == self.catalog for event in self.events)
        self.check_model()

    def is_ours(self, event):
        ours = tuple(path + "/" for path in self.copies + [self.state])
        return all(not isinstance(word, str) or word.startswith("/") is False
                   or (word + "/").startswith(ours) for word in event[1:])

    def check_model(self):
        """The log is complete: replayed without a cut it gives the disk that is there."""
        disk = Disk(self.root)
        for event in self.events:
            disk.apply(event)
        disk.sync_all(disk.top)
        again = os.path.join(self.root, "again")
        disk.build(again, None)
        for name in ("a", "b"):
            for path, what in oracle.tree(os.path.join(self.root, name)).items():
                mine = oracle.tree(os.path.join(again, name)).get(path)
                assert mine and mine[:2] == what[:2], path
        shutil.rmtree(again)

    def cut(self, moment, rng):
        """The disk after a power cut behind that many calls takes the place of the real one."""
        disk = Disk(self.root)
        for event in self.events[:moment]:
            disk.apply(event)
        for folder in self.copies + [self.state]:
            shutil.rmtree(folder, ignore_errors=True)
        disk.build(self.root, rng)


def recorded(bed):
    """(label, tape file, archive, state) of all copies that the surviving catalog calls good; None when
    there is no catalog yet."""
    if not os.path.exists(bed.catalog):
        return None
    aside = os.path.join(bed.root, "aside")  # reading recovers it, and is not to help the program
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(os.path.dirname(bed.catalog), aside)
    db = sqlite3.connect(os.path.join(aside, "catalog.db"))
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'copy'").fetchall():
            return None
        demand(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the catalog is damaged")
        return db.execute(
            "SELECT volume.label, copy.tape_file, archive.name, copy.state FROM copy"
            " JOIN archive ON archive.id = copy.archive_id JOIN volume ON volume.id = copy.volume_id"
            " WHERE copy.state IN ('written', 'verified')").fetchall()
    except sqlite3.DatabaseError as why:
        demand(False, "the catalog cannot be read: %s" % why)
    finally:
        db.close()


def judge_recorded(bed, rows):
    held = [oracle.volumes(path) for path in bed.copies]
    for label, number, name, state in rows or []:
        files = next((volumes[label] for volumes in held if label in volumes), {})
        demand(number in files, "%s of %s is %s, but not there" % (name, label, state))
        try:
            bag = oracle.bag(files[number])
        except ValueError as why:
            demand(False, "%s of %s is %s, but not whole: %s" % (name, label, state, why))
        for path, digest in bag.items():
            demand(bed.wanted[path] == digest, "%s of %s: %r is wrong" % (name, label, path))
        demand(0 in files and oracle.archive_name(files[0]) is not None, "%s has no label" % label)
    return {(label, name) for label, _, name, _ in rows or []}


def judge_after(bed):
    """What an operator does when the power is back."""
    if recorded(bed) is None:
        return
    code, _, told = bed.run("resume")
    demand(code in (0, 1, 2), "resume: exit %d; %s" % (code, told[-1500:]))
    judge_recorded(bed, recorded(bed))
    code, answer, told = bed.run("catalog", "check")
    demand(code == 0, "catalog check after resume: exit %d; %s; %s" % (code, answer, told[-500:]))
    if recorded(bed):
        code, answer, told = bed.run("verify")
        demand(code == 0, "verify after resume: exit %d; %s; %s" % (code, answer, told[-800:]))


def work(bed, item):
    share, variant = item
    moment = round(share * len(bed.events)) if isinstance(share, float) else share
    if moment > len(bed.events):
        return
    rng = random.Random(SEED * 7919 + moment * 31 + variant) if variant else None

    def trial():
        bed.cut(moment, rng)
        rows = recorded(bed)
        judge_recorded(bed, rows)
        campaign.add("copies recorded as good", len(rows or []))
        if moment == len(bed.events) and not variant:
            demand(len(rows or []) == bed.copies_made, "a dump that ended well is not recorded")
        judge_after(bed)

    kind = "some of the unsynced kept" if variant else "all unsynced lost"
    campaign.judge(kind, "moment %d of %d, variant %d" % (moment, len(bed.events), variant), trial)


def make(root):
    bed = PowerBed(root)
    bed.copies_made = len(recorded(bed))
    assert bed.copies_made >= 4
    return bed


def moments():
    """Shares of the log in short, as calls differ a little between runs; every call in the long form."""
    if "CAMPAIGN_ONLY" in os.environ:
        return [tuple(map(int, os.environ["CAMPAIGN_ONLY"].split()))]
    if LONG:
        return [(moment, variant) for moment in range(4000) for variant in range(4)]
    rng = random.Random(SEED)
    count = int(os.environ.get("CAMPAIGN_TRIALS", "60"))
    return [(1.0, 0)] + [(rng.random(), i % 2) for i in range(count - 1)]


workers(make, work, moments())
sys.exit(campaign.done())
