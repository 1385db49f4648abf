#!/usr/bin/env python3
"""Random damage on either or both copies, on disks and on tapes: verify finds all of it, with the
catalog and without; restore returns every file of which good records are left, and nothing wrong; repair
makes a whole volume of what is good on both.

CAMPAIGN_TRIALS sets how many; CAMPAIGN_SEED where they begin; CAMPAIGN_ONLY=N makes trial N alone."""
import os
import random
import re
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
from bed import LONG, SEED, Bed, Campaign, demand, workers  # noqa: E402

KINDS = [("disk", "disk"), ("mock", "mock"), ("disk", "mock")]
campaign = Campaign("damage")


# ---- damage: a copy is a list of tape files, each a list of records, on both kinds of medium ----

def flip(rng, files, n):
    for _ in range(rng.choice([1, 1, 2, 5])):
        i = rng.randrange(len(files[n]))
        record = bytearray(files[n][i] or b"\0")
        record[rng.randrange(len(record))] ^= 1 << rng.randrange(8)
        files[n][i] = bytes(record)


def zero(rng, files, n):
    i = rng.randrange(len(files[n]))
    for k in range(i, min(len(files[n]), i + rng.choice([1, 1, 2]))):
        files[n][k] = bytes(len(files[n][k] or b"\0"))


def swap(rng, files, n):
    m = rng.choice([n, rng.choice(sorted(files))])
    i, k = rng.randrange(len(files[n])), rng.randrange(len(files[m]))
    files[n][i], files[m][k] = files[m][k], files[n][i]


def truncate(rng, files, n):
    i = rng.randrange(len(files[n]))
    rest = (files[n][i] or b"")[: rng.randrange(oracle.RECORD)] if rng.random() < 0.5 else b""
    files[n][i:] = [rest] if rest else []


def duplicate(rng, files, n):
    i = rng.randrange(len(files[n]))
    files[n].insert(i, files[n][i])


def misdirect(rng, files, n):
    m = rng.choice(sorted(files))
    files[n][rng.randrange(len(files[n]))] = files[m][rng.randrange(len(files[m]))]


def lose(rng, files, n):
    del files[n][rng.randrange(len(files[n]))]


def append(rng, files, n):
    files[n].append(rng.choice([bytes(oracle.RECORD), files[n][-1], rng.randbytes(oracle.RECORD)]))


def unreadable(rng, files, n):
    files[n][rng.randrange(len(files[n]))] = False


def lost_mark(rng, files, n):
    """Two tape files become one; on a disk the file is gone."""
    files[n] = None


def exchange(rng, files, n):
    m = rng.choice(sorted(files))
    files[n], files[m] = files[m], files[n]


def gone(rng, files, n):
    files.clear()


DAMAGE = [flip, flip, zero, swap, truncate, duplicate, misdirect, lose, append, lost_mark, exchange, gone]


def disk_write(folder, files):
    if not files:
        shutil.rmtree(folder)
        return
    for name in os.listdir(folder):
        if not name.endswith(".tar"):
            continue
        records = files.get(int(name.split("-")[0]))
        path = os.path.join(folder, name)
        if records is None:
            os.unlink(path)
            continue
        with open(path, "wb") as file:
            file.write(b"".join(r if r else bytes(oracle.RECORD) for r in records))


def simh_write(path, files):
    if not files:
        os.unlink(path)
        return
    with open(path, "rb") as file:
        pristine = oracle.simh_files(file.read())
    with open(path, "wb") as file:
        for n in range(max(files) + 1):
            records = files.get(n)
            lost = records is None
            for record in pristine[n] if lost else records:
                size = len(record) if record else oracle.RECORD
                word = (size | (0 if record else 8 << 28)).to_bytes(4, "little")
                file.write(word + (record or bytes(size)) + b"\0" * (size % 2) + word)
            if not lost:
                file.write(oracle.MARK)


def spoil(bed, copy, rng):
    """Damages one copy in one to three ways; returns their names."""
    (label, files), = oracle.volumes(bed.copies[copy]).items()
    path = os.path.join(bed.copies[copy], label)
    tape = bed.kinds[copy] == "mock"
    names = []
    for _ in range(rng.choice([1, 1, 2, 3])):
        how = rng.choice(DAMAGE + [unreadable, lost_mark] if tape else DAMAGE)
        here = [n for n in sorted(files) if files[n]]
        if not here:
            break
        weights = [1 if n in (here[0], here[-1]) else 6 for n in here]
        n = rng.choices(here, weights)[0]
        try:
            how(rng, files, n)
        except (IndexError, TypeError, ValueError):  # nothing left there to spoil
            continue
        names.append("%s %d" % (how.__name__, n))
    if tape:
        simh_write(path + ".tap", files)
        if files and rng.random() < 0.1:  # and the framing itself
            with open(path + ".tap", "r+b") as file:
                file.seek(rng.randrange(os.path.getsize(path + ".tap")))
                file.write(rng.randbytes(4))
            names.append("framing")
    else:
        disk_write(path, files)
    return names


# ---- what must hold ----

def expected(bed, now):
    """Which payload paths must come back, which cannot, and which copies of which archives are damaged.
    What stands behind a damaged label need not be found, but may."""
    must, lost, bad = set(), set(), {}
    sound = [bed.pristine[c].get(0) == now[c].get(0) for c in (0, 1)]
    for n, name in bed.archives.items():
        good = [[i < len(now[c].get(n, [])) and now[c][n][i] == record
                 for i, record in enumerate(bed.pristine[c][n])] for c in (0, 1)]
        for c in (0, 1):
            bad[c, name] = now[c].get(n) != bed.pristine[c][n]
        held = {}
        for member in bed.members[n]:
            span = range(member.first, member.last + 1)
            held[member.path] = (all((sound[0] and good[0][i]) or (sound[1] and good[1][i]) for i in span),
                                 all(good[0][i] or good[1][i] for i in span))
        for member in bed.members[n]:
            both = [held[path] for path in (member.path, member.link) if path is not None]
            if all(known for known, _ in both):
                must.add(member.path)
            if not all(there for _, there in both):
                lost.add(member.path)
    return must, lost, bad, sound


def judge_verify(bed, bad, sound, lost):
    code, answer, told = bed.run("verify", "--dump", "d")
    broken = any(bad.values())
    demand(answer is not None, "verify: no JSON; " + told[-500:])
    demand((code == 0) == (not broken and all(sound)) or (not all(sound) and not broken),
           "verify: exit %d, damage %s" % (code, broken))
    shelf = any(kind == "mock" for kind in bed.kinds) and answer["unreachable"] > 0
    demand(not (code == 1 and lost and not shelf),  # a tape that is not there may be on a shelf
           "verify: exit 1, but %s are lost" % sorted(lost)[:3])
    for result in answer["results"]:
        copy = bed.labels.index(result["volume"])
        if result["status"] == "ok":
            demand(not bad[copy, result["archive"]],
                   "verify calls %s on %s ok" % (result["archive"], result["volume"]))
        elif sound[copy]:
            demand(bad[copy, result["archive"]],
                   "verify calls %s on %s %s, but it is good: %s"
                   % (result["archive"], result["volume"], result["status"], told[-500:]))


def judge_alone(bed, bad, now, copy):
    """Without a catalog, as far as the index that a volume needs for it is there."""
    code, answer, told = bed.run("--catalog", "sqlite:" + os.path.join(bed.root, "none"),
                                 "verify", "--target", bed.urls[copy])
    damaged = [name for (c, name), is_bad in bad.items() if c == copy and is_bad]
    for result in (answer or {}).get("results", []):
        demand(result["status"] != "ok" or not bad.get((copy, result["archive"]), False)
               or only_padding(bed, now, copy, result["archive"]),
               "verify --target calls %s on copy %d ok" % (result["archive"], copy + 1))
    index = max(bed.pristine[copy])
    if damaged and now[copy].get(index) == bed.pristine[copy][index]:
        demand(code != 0, "verify --target of copy %d: exit 0, but %s bad" % (copy + 1, damaged))
    if not damaged and now[copy] == bed.pristine[copy]:
        demand(code == 0, "verify --target of copy %d: exit %d, but all is good; %s"
               % (copy + 1, code, told[-500:]))


def only_padding(bed, now, copy, name):
    """True when the bag itself is whole: without index nobody knows of more."""
    n = next(n for n, other in bed.archives.items() if other == name)
    try:
        return now[copy].get(max(now[copy])) != bed.pristine[copy][max(bed.pristine[copy])] and \
            oracle.bag(now[copy][n]) == oracle.bag(bed.pristine[copy][n])
    except (ValueError, KeyError):
        return False


def escaped(path):
    """As names stand in JSON and text."""
    return re.sub("[\0-\x1f\x7f%]", lambda m: "%%%02X" % ord(m[0]), path)


def judge_restore(bed, must):
    code, answer, told = bed.run("restore", "--dump", "d", "--all", "--to", bed.back)
    back = oracle.tree(bed.back + bed.src) if os.path.isdir(bed.back + bed.src) else {}
    here = {"/" + os.path.relpath(os.path.join(bed.src, path), "/"): path for path in bed.tree}
    for path, what in back.items():
        demand(bed.tree.get(path, ("",))[0] == what[0], "restore: made %r" % path)
        demand(what[0] == "d" or what == bed.tree[path], "restore: %r is wrong" % path)
    missing = {path for path in bed.tree if path not in back}
    for path in must:
        if path in here:
            demand(here[path] in back, "restore: %r is not back; exit %d; %s" % (path, code, told[-800:]))
    demand((code == 0) == (not missing), "restore: exit %d, missing %s" % (code, sorted(missing)[:3]))
    if missing and answer and answer.get("troubled"):
        named = {trouble["file"] for trouble in answer["troubled"]}
        for path in missing:
            demand(escaped(os.path.join(bed.src, path)) in named, "restore: does not name %r" % path)


def judge_repair(bed, now, sound, copy):
    """A new volume from what is good on both: whole if every record is somewhere, else never called so."""
    target = os.path.join(bed.root, "c")
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target)
    code, answer, told = bed.run("repair", bed.labels[copy], "--to", "disk:" + target)
    made = next(iter(oracle.volumes(target).values()), {})
    found = {oracle.archive_name(records): records for number, records in made.items() if number}
    for n, name in bed.archives.items():
        pristine = bed.pristine[copy][n]
        there = all(any(sound[c] and i < len(now[c].get(n, [])) and now[c][n][i] == record for c in (0, 1))
                    for i, record in enumerate(pristine))
        status = next((a["status"] for a in (answer or {}).get("archives", [])
                       if a["archive"] == name), None)
        demand(status != "ok" or found.get(name) == pristine, "repair: %s is ok, but not whole" % name)
        demand(status == "ok" or not there, "repair: %s is %s, but all its records are there; exit %d; %s"
               % (name, status, code, told[-800:]))
        campaign.add("archives repaired", status == "ok")
        demand(code != 0 or found.get(name) == pristine, "repair: exit 0, but %s is not whole" % name)


def make(root):
    beds = {}
    for kinds in KINDS:
        where = os.path.join(root, "-".join(kinds))
        os.mkdir(where)
        bed = Bed(kinds, where)
        code, _, told = bed.dump()
        assert code == 0, told
        bed.keep()
        found = [oracle.volumes(path) for path in bed.copies]
        bed.labels = [next(iter(volumes)) for volumes in found]
        bed.pristine = [volumes[label] for volumes, label in zip(found, bed.labels)]
        last = max(bed.pristine[0])
        bed.archives = {n: oracle.archive_name(bed.pristine[0][n]) for n in range(1, last)}
        bed.members = {n: oracle.members(bed.pristine[0][n]) for n in bed.archives}
        bed.tree = oracle.tree(bed.src)
        for n in bed.archives:  # the oracle itself is sound, and both copies are the same bytes
            oracle.bag(bed.pristine[0][n])
            assert bed.pristine[0][n] == bed.pristine[1][n]
        assert len(bed.archives) >= 2
        beds[kinds] = bed
    return beds


def work(beds, number):
    rng = random.Random(SEED * 1000003 + number)
    kinds = KINDS[number % len(KINDS)]
    bed = beds[kinds]
    which = rng.choice([[0], [1], [0, 1], [0, 1]])
    bed.reset()
    done = {copy + 1: spoil(bed, copy, rng) for copy in which}
    found = [oracle.volumes(path) for path in bed.copies]
    now = [found[c].get(bed.labels[c], {}) for c in (0, 1)]
    must, lost, bad, sound = expected(bed, now)
    campaign.add("copies damaged", len({c for (c, _), is_bad in bad.items() if is_bad}))
    campaign.add("files that had to come back", len(must))
    campaign.add("files lost", len(lost))

    def trial():
        steps = [lambda: judge_verify(bed, bad, sound, lost), lambda: judge_restore(bed, must)]
        if rng.random() < 0.5:
            steps.reverse()
        for step in steps:
            step()
        for copy in which:
            judge_alone(bed, bad, now, copy)
        judge_repair(bed, now, sound, rng.choice(which))
        bed.reset_media()
        code, answer, _ = bed.run("catalog", "check")
        demand(code == 0, "catalog check: exit %d; %s" % (code, answer))

    campaign.judge("-".join(kinds), "trial %d, seed %d, %s" % (number, SEED, done), trial)


if "CAMPAIGN_ONLY" in os.environ:
    TRIALS = [int(os.environ["CAMPAIGN_ONLY"])]
else:
    TRIALS = range(int(os.environ.get("CAMPAIGN_TRIALS", "3000" if LONG else "60")))
workers(make, work, TRIALS)
sys.exit(campaign.done())
