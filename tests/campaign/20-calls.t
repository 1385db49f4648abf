#!/usr/bin/env python3
"""Every call fails once: the calls of a small dump, verify and restore are counted by class (memory, SQL,
source, other system calls, operations of targets and drives), and each is made to fail in a run of its
own. Whatever fails: no crash, no hang, no leak, a true exit status, a true catalog; what the catalog
calls verified is whole and the same on both copies; what is restored is right or is not there.

In short a seeded sample of CAMPAIGN_TRIALS runs; in the long form all of them. CAMPAIGN_ONLY takes words
as the faults are told in: 'dump disk-disk memory@17=ENOMEM'."""
import os
import random
import re
import sqlite3
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
from bed import BUILD, LONG, SEED, Bed, Campaign, Fault, demand, workers  # noqa: E402

KINDS = [("disk", "disk"), ("disk", "mock")]
FAULTY = os.environ.get("FAULTY") or os.path.join(BUILD, "tests/campaign/faulty")
EFFECTS = {
    "memory": ["ENOMEM"],
    "sql": ["EIO", "ENOSPC", "ENOMEM", "lost"],
    "source": ["EIO", "EACCES", "short"],
    "io": ["EIO", "ENOSPC", "short", "lost"],
}
OPERATIONS = {  # of the fault filter, on either copy
    "open": ["EIO"], "load": ["EIO"], "write": ["EIO", "ENOSPC", "short", "flip"],
    "mark": ["EIO", "ENOSPC"], "sync": ["EIO", "ENOSPC"], "read": ["EIO", "short", "flip"],
    "seek": ["EIO"],
}
campaign = Campaign("calls")


class CallBed(Bed):
    """A bed in two states: blank, and after a good dump."""

    def __init__(self, kinds, root):
        super().__init__(kinds, root, FAULTY)
        self.options = ["-v"]  # the fault filter tells its counts
        self.counts = os.path.join(root, "counts")
        self.wanted = {os.path.join(self.src, k): v for k, v in oracle.tree(self.src).items()}
        self.contents = {path: what[1] for path, what in self.wanted.items() if what[0] == "f"}
        self.blank = os.path.join(root, "blank")
        self.kept = self.blank
        self.keep()
        code, _, told = self.dump()
        assert code == 0, told
        self.kept = self.full = os.path.join(root, "full")
        self.keep()

    def start(self, step):
        self.kept = self.blank if step == "dump" else self.full
        self.reset()
        if os.path.exists(self.counts):
            os.unlink(self.counts)

    def step(self, step, plan=None, urls=None):
        """One step, with a fault by the layer around the program, or in the target's URL."""
        env = {"PD_FAULTY_SOURCE": self.src, "PD_FAULTY_COUNTS": self.counts}
        if plan:
            env["PD_FAULTY"] = plan
        if step == "dump":
            return self.dump(urls=urls, env=env)
        if step == "verify":
            return self.run("verify", "--dump", "d", env=env)
        return self.run("restore", "--dump", "d", "--all", "--to", self.back, env=env)

    def counted(self):
        with open(self.counts) as file:
            return dict((m[1], int(m[2])) for m in re.finditer(r"^(\w+) (\d+)$", file.read(), re.M))

    def struck(self):
        """Which call failed, or None when the run had fewer."""
        with open(self.counts) as file:
            found = re.search(r"^struck (\w+)", file.read(), re.M)
        return found and found[1]


# ---- what must hold after every run ----

def whole_archives(bed):
    """By copy: archive name to its bag, of every archive that an independent reader finds whole."""
    found = []
    for path in bed.copies:
        whole = {}
        for files in oracle.volumes(path).values():
            for number, records in files.items():
                name = oracle.archive_name(records) if number else None
                if name and not name.endswith(".index"):
                    try:
                        whole[name] = (oracle.bag(records), records)
                    except ValueError:
                        pass
        found.append(whole)
    return found


def verified(bed):
    """Copy number and archive of what the catalog calls verified."""
    if not os.path.exists(bed.catalog):
        return []
    with sqlite3.connect(bed.catalog) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'copy'").fetchall():
            return []
        rows = db.execute("SELECT copy.copy, archive.name FROM copy JOIN archive ON archive.id ="
                          " copy.archive_id WHERE copy.state = 'verified'").fetchall()
    db.close()
    return rows


def judge_catalog(bed, whole, failed=False):
    held = verified(bed)
    for copy, name in held:
        demand(name in whole[copy - 1], "%s on copy %d is verified, but not whole" % (name, copy))
        other = 3 - copy
        demand((other, name) not in held or whole[0].get(name) == whole[1].get(name),
               "%s is verified on both copies, but they differ" % name)
        for path, digest in whole[copy - 1][name][0].items():
            demand(bed.contents.get(path) == digest or named_unwhole(whole[copy - 1][name][1], path),
                   "%s: %r is not what the source is" % (name, path))
    if os.path.exists(bed.catalog) and os.path.getsize(bed.catalog) > 0:
        code, answer, told = bed.run("catalog", "check")
        empty = code == 6 and not verified(bed) and "no catalog" in told
        # A run that failed may leave what it could not record, until it is resumed; that is told.
        more = failed and code == 6 and answer and all(
            re.search(r": tape file \d+ is not in the catalog", problem) for problem in answer["problems"])
        if more:
            campaign.add("runs that left tape files unrecorded")
        demand(code == 0 or empty or more, "catalog check: exit %d; %s; %s" % (code, answer, told[-800:]))


def named_unwhole(records, path):
    """Whether the archive itself says that this file is not what the source was."""
    text = oracle.joined(records)
    return re.search(rb"\n?[~!] data%s\n" % re.escape(path.encode()), text) is not None


def judge_dump(bed, code, answer, told):
    whole = whole_archives(bed)
    held = [{}, {}]
    for copy in (0, 1):
        for bag, records in whole[copy].values():
            held[copy].update((path, digest) for path, digest in bag.items()
                              if not named_unwhole(records, path))
    if code == 0:
        for copy in (0, 1):
            demand(held[copy] == bed.contents, "dump: exit 0, but copy %d has not all" % (copy + 1))
        demand(len(verified(bed)) == sum(map(len, whole)), "dump: exit 0, but not all is verified")
    elif code == 1 and answer:
        troubled = {problem.get("path") or problem.get("file") for problem in answer.get("problems", [])}
        for path, digest in bed.contents.items():
            good = held[0].get(path) == digest or held[1].get(path) == digest
            demand(good or any(escaped(path).startswith(t) for t in troubled if t),
                   "dump: exit 1, but %r is on no copy and not named; %s" % (path, told[-1500:]))
    judge_catalog(bed, whole, code != 0)


def escaped(path):
    return re.sub("[\0-\x1f\x7f%]", lambda m: "%%%02X" % ord(m[0]), path)


def judge_restore(bed, code, told):
    back = {}
    if os.path.isdir(bed.back):
        back = {"/" + path: what for path, what in oracle.tree(bed.back).items()}
    for path, what in back.items():
        if path in bed.wanted:
            right = what == bed.wanted[path] if code == 0 else what[:2] == bed.wanted[path][:2]
            demand(right, "restore: exit %d, %r is wrong; %s" % (code, path, told[-800:]))
        elif code == 0 or not re.fullmatch(r".*/\.pairdump-\w+\.part", path):  # half done, and named so
            demand(what[0] == "d" and bed.src.startswith(path), "restore: made %r" % path)
    missing = sorted(set(bed.wanted) - set(back))
    demand(code != 0 or not missing, "restore: exit 0, but %s are not back" % missing[:3])


def judge(bed, step, plan, code, answer, told):
    if step == "dump":
        judge_dump(bed, code, answer, told)
        if code not in (0, 2):  # and what can be finished is
            again, answer, told = bed.run("resume")
            whole = whole_archives(bed)
            judge_catalog(bed, whole, again not in (0, 1))
            if again == 0 and answer and answer.get("dump"):
                judge_dump(bed, again, answer, told)
    elif step == "verify":
        demand(code != 0 or answer is None or answer["good"] == answer["copies"] > 0, "verify: %s" % answer)
        judge_catalog(bed, whole_archives(bed))
        again, answer, told = bed.run("verify", "--dump", "d")
        demand(again == 0, "verify once more: exit %d; %s" % (again, told[-800:]))
    else:
        judge_restore(bed, code, told)
        judge_catalog(bed, whole_archives(bed))


# ---- the trials ----

def count(bed):
    """Every call that can fail, as (step, kinds, where, what)."""
    trials = []
    kinds = "-".join(bed.kinds)
    for step in ("dump", "verify", "restore"):
        bed.start(step)
        code, _, told = bed.step(step)
        assert code == 0, told
        for name, calls in sorted(bed.counted().items()):
            assert calls > 0 or name == "source" or step != "dump", name
            campaign.add("calls of " + name, calls)
            for at in range(1, calls + 1):
                trials += [(step, kinds, "%s@%d=%s" % (name, at, effect)) for effect in EFFECTS[name]]
    for copy in (1, 2):
        bed.start("dump")
        urls = list(bed.urls)
        urls[copy - 1] = "fault:sync@1000000=EIO:" + urls[copy - 1]
        code, _, told = bed.step("dump", urls=urls)
        assert code == 0, told
        for op, effects in OPERATIONS.items():
            calls = max([int(n) for n in re.findall(r"fault filter: calls.* %s@(\d+)" % op, told)] + [0])
            campaign.add("calls of targets", calls)
            for at in range(1, calls + 1):
                trials += [("dump", kinds, "copy%d:%s@%d=%s" % (copy, op, at, effect))
                           for effect in effects]
    return trials


def work(beds, item):
    step, kinds, plan = item
    bed = beds[kinds]

    def trial():
        bed.start(step)
        copy = re.match(r"copy(\d):(.*)", plan)
        try:
            if copy:
                urls = list(bed.urls)
                urls[int(copy[1]) - 1] = "fault:%s:%s" % (copy[2], urls[int(copy[1]) - 1])
                outcome = bed.step(step, urls=urls)
            else:
                outcome = bed.step(step, plan)
                campaign.add("calls failed" if bed.struck() else "trials without a fault")
            judge(bed, step, plan, *outcome)
        except Fault as why:
            at = ""
            if os.path.exists(bed.counts):
                with open(bed.counts) as file:
                    at = "".join(re.findall(r"struck.*|\(.*", file.read())[:9])
            raise Fault("%s [%s]" % (why, at)) from why

    group = "targets" if plan.startswith("copy") else plan.partition("@")[0]
    campaign.judge("%s in %s" % (group, step), " ".join(item), trial)


def make(root):
    beds = {}
    for kinds in KINDS:
        where = os.path.join(root, "-".join(kinds))
        os.mkdir(where)
        beds["-".join(kinds)] = CallBed(kinds, where)
    return beds


def sample(trials, n):
    """n of them, as many of each class and step as of the others."""
    rng = random.Random(SEED)
    groups = {}
    for trial in trials:
        groups.setdefault((trial[0], trial[2].partition("@")[0]), []).append(trial)
    for group in groups.values():
        rng.shuffle(group)
    chosen = []
    while len(chosen) < n and any(groups.values()):
        chosen += [group.pop() for group in groups.values() if group]
    return chosen[:n]


def plan_trials():
    if "CAMPAIGN_ONLY" in os.environ:
        return [tuple(os.environ["CAMPAIGN_ONLY"].split(" "))]
    found = []
    workers(make, lambda beds, kinds: found.extend(count(beds["-".join(kinds)])), KINDS)
    limit = os.environ.get("CAMPAIGN_TRIALS", "0" if LONG else "70")
    return sample(found, int(limit)) if int(limit) else found


workers(make, work, plan_trials())
sys.exit(campaign.done())
