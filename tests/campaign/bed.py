"""What the parts of the campaign share: beds to dump in, runs of the program, TAP."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
PROGRAM = os.environ.get("PAIRDUMP") or os.path.join(TOP, "bin/pairdump")
PATIENCE = 120  # seconds; what has not ended by then hangs
LONG = os.environ.get("CAMPAIGN") == "long"
SEED = int(os.environ.get("CAMPAIGN_SEED", "1"))


class Fault(Exception):
    """What the program under test did wrong."""


def demand(holds, what):
    if not holds:
        raise Fault(what)


def make_source(root, seed):
    """Files of many shapes, the same for the same seed; some larger than a record."""
    rng = random.Random(seed)
    os.makedirs(os.path.join(root, "deep/er/still"))
    for i, size in enumerate([0, 1, 511, 512, 4000, 65536, 65537, 130000, 200000, 90000, 30000]):
        name = ("", "deep/", "deep/er/", "deep/er/still/")[i % 4] + "f%02d" % i
        with open(os.path.join(root, name), "wb") as file:
            file.write(rng.randbytes(size))
        os.chmod(os.path.join(root, name), (0o644, 0o600, 0o755)[i % 3])
        os.utime(os.path.join(root, name), ns=(0, 10**18 + rng.randrange(10**15)))
    with open(os.path.join(root, "sparse"), "wb") as file:
        file.write(b"begin")
        file.seek(400000)
        file.write(rng.randbytes(70000))
    with open(os.path.join(root, "n" * 200), "wb") as file:
        file.write(rng.randbytes(3000))
    with open(os.path.join(root, "50%\nof it"), "wb") as file:
        file.write(rng.randbytes(3000))
    os.symlink("f01", os.path.join(root, "symlink"))
    os.link(os.path.join(root, "f08"), os.path.join(root, "zlink"))


class Bed:
    """A folder with source, state and two targets; back to what it was after every trial."""

    def __init__(self, kinds, root, program=None):
        self.root = root
        self.kinds = kinds
        self.options = []
        self.program = program or PROGRAM
        self.src = os.path.join(root, "src")
        self.state = os.path.join(root, "state")
        self.back = os.path.join(root, "back")
        self.copies = [os.path.join(root, "a"), os.path.join(root, "b")]
        self.urls = ["%s:%s" % pair for pair in zip(kinds, self.copies)]
        self.catalog = os.path.join(self.state, "pairdump/catalog.db")
        self.kept = os.path.join(root, "kept")
        self.conf = os.path.join(root, "conf")
        make_source(self.src, 7)
        for folder in self.copies + [self.state]:
            os.mkdir(folder)
        with open(self.conf, "w") as file:
            file.write("[retry default]\ntries = 1\n[catalog]\nwait = 1s\n")

    def keep(self):
        os.mkdir(self.kept)
        for folder in self.copies + [self.state]:
            shutil.copytree(folder, os.path.join(self.kept, os.path.basename(folder)))

    def reset(self):
        shutil.rmtree(self.back, ignore_errors=True)
        self.reset_media([self.state])

    def reset_media(self, others=()):
        for folder in self.copies + list(others):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(os.path.join(self.kept, os.path.basename(folder)), folder)

    def run(self, *args, env=None):
        """The program's exit code, JSON and messages. No crash and no hang is allowed."""
        full = dict(os.environ, XDG_STATE_HOME=self.state, HOME=self.root, LC_ALL="C.UTF-8")
        full.pop("PAIRDUMP_CONF", None)
        full["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=1:allocator_may_return_null=1"
        full["UBSAN_OPTIONS"] = "exitcode=99"
        full.update(env or {})
        what = " ".join(args)
        with tempfile.TemporaryFile(dir=self.root) as out, tempfile.TemporaryFile(dir=self.root) as err:
            child = subprocess.Popen(
                [self.program, "-c", self.conf, "--no-progress", "--json", *self.options, *args],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=full, cwd=self.root)
            try:
                code = child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                child.wait()
                code = None
            out.seek(0)
            err.seek(0)
            said, told = out.read(), err.read().decode(errors="replace")
        demand(code is not None, "%s: hangs; %s" % (what, told[-2000:]))
        demand(code in (0, 1, 2, 3, 4, 5, 6, 130), "%s: exit %d; %s" % (what, code, told[-6000:]))
        try:
            answer = json.loads(said.decode(errors="surrogateescape"))
        except ValueError:
            answer = None
        demand(answer is None or answer.get("exit") == code, "%s: JSON has another exit" % what)
        return code, answer, told

    def dump(self, *options, urls=None, env=None):
        urls = urls or self.urls
        return self.run("dump", "--name", "d", "--block-size", "64K", "--batch-size", "450K",
                        "--to", urls[0], "--to", urls[1], *options, self.src, env=env)


class Campaign:
    """Trials on several threads; a TAP line for each group and a summary."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.groups = {}
        self.count = {}

    def add(self, what, n=1):
        with self.lock:
            self.count[what] = self.count.get(what, 0) + n

    def judge(self, group, title, trial):
        """One trial; a fault that it finds is told with what makes it again."""
        try:
            trial()
            fault = None
        except Fault as why:
            fault = "%s: %s" % (title, why)
        with self.lock:
            entry = self.groups.setdefault(group, [0, []])
            entry[0] += 1
            if fault:
                entry[1].append(fault)
                if len(entry[1]) <= 10:
                    print("# " + fault.replace("\n", "\n# "), file=sys.stderr, flush=True)

    def done(self):
        faults = 0
        for number, (group, (trials, found)) in enumerate(sorted(self.groups.items()), 1):
            faults += len(found)
            print("%s %d - %s: %s: %d trials, %d faults"
                  % ("not ok" if found else "ok", number, self.name, group, trials, len(found)))
        print("1..%d" % max(1, len(self.groups)))
        if not self.groups:
            print("not ok 1 - no trial was made")
        trials = sum(entry[0] for entry in self.groups.values())
        extra = "".join(", %d %s" % (n, what) for what, n in sorted(self.count.items()))
        print("# %s: %d trials%s, %d faults found" % (self.name, trials, extra, faults))
        return 1 if faults or not trials else 0


def workers(make, work, items):
    """Each item of the list to work(bed, item), on as many beds as there are processors (at most 4)."""
    lock, items, troubles = threading.Lock(), list(items), []

    def loop(root):
        try:
            bed = make(root)
            while True:
                with lock:
                    if not items or troubles:
                        return
                    item = items.pop(0)
                work(bed, item)
        except BaseException as why:  # the campaign itself failed: nothing was proven
            troubles.append(why)

    with tempfile.TemporaryDirectory(prefix="pairdump-campaign.", dir=os.environ.get("TMPDIR")) as top:
        threads = []
        for i in range(min(4, os.cpu_count() or 1)):
            root = os.path.join(top, str(i))
            os.mkdir(root)
            threads.append(threading.Thread(target=loop, args=(root,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if troubles:
        raise troubles[0]
