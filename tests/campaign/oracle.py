"""What lies on volumes, read without any code of pairdump: disk folders and SIMH images by hand, tar by
tarfile, digests by hashlib. The campaign judges the program by this."""
import collections
import hashlib
import io
import os
import re
import stat
import struct
import tarfile

RECORD = 65536
MARK = b"\0\0\0\0"

Member = collections.namedtuple("Member", "path kind first last link")


def simh_objects(image):
    """(offset, whole size, data) of each object up to the first that is none; data is None for a
    filemark and False for a record marked bad."""
    at, found = 0, []
    while at + 4 <= len(image):
        word = struct.unpack_from("<I", image, at)[0]
        size, kind = word & 0x0FFFFFFF, word >> 28
        if word == 0:
            found.append((at, 4, None))
            at += 4
            continue
        whole = 8 + size + size % 2
        if kind not in (0, 8) or size == 0 or image[at + whole - 4 : at + whole] != image[at : at + 4]:
            break
        data = image[at + 4 : at + 4 + size] if kind == 0 else False
        found.append((at, whole, data))
        at += whole
    return found


def simh_files(image):
    """The tape files of an image, each a list of records; what no filemark ends is there too."""
    files = [[]]
    for _, _, data in simh_objects(image):
        if data is None:
            files.append([])
        else:
            files[-1].append(data)
    return {number: records for number, records in enumerate(files) if records}


def disk_files(folder):
    """The same of a disk volume: tape file number to records."""
    files = {}
    for name in sorted(os.listdir(folder)):
        match = re.fullmatch(r"(\d{4,})-.*\.tar", name)
        if match:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            files[int(match[1])] = [data[i : i + RECORD] for i in range(0, len(data), RECORD)]
    return files


def volumes(target):
    """Label to tape files of everything in the folder of a target, disk or mock."""
    found = {}
    for name in sorted(os.listdir(target)):
        path = os.path.join(target, name)
        if os.path.isdir(path):
            found[name] = disk_files(path)
        elif name.endswith(".tap"):
            with open(path, "rb") as file:
                found[name[:-4]] = simh_files(file.read())
    return found


def joined(records):
    return b"".join(record or b"" for record in records)


def members(records):
    """Payload of an archive: its members with the records that hold them."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(joined(records))) as tar:
        for info in tar:
            top, _, path = info.name.partition("/data")
            if not path:
                continue
            end = info.offset_data + (info.size + 511) // 512 * 512 if info.isreg() else info.offset_data
            if info.sparse is not None:
                end = None  # set from where the next begins
            link = info.linkname.partition("/data")[2] if info.islnk() else None
            found.append([path, info.type, info.offset, end, link])
        tail = tar.offset
    out = []
    for i, (path, kind, begin, end, link) in enumerate(found):
        if end is None:
            end = found[i + 1][2] if i + 1 < len(found) else tail
        out.append(Member(path, kind, begin // RECORD, max(begin, end - 1) // RECORD, link))
    return out


def archive_name(records):
    """The top folder of a tape file, or None where no tar can be read."""
    try:
        with tarfile.open(fileobj=io.BytesIO(joined(records))) as tar:
            return tar.next().name.split("/")[0]
    except (tarfile.TarError, AttributeError, EOFError, ValueError):
        return None


def unescaped(name):
    return re.sub(rb"%(0[AaDd]|25)", lambda m: bytes([int(m[1], 16)]), name)


def manifest(text):
    """A manifest as BagIt has it: name to digest."""
    lines = [line.split(b"  ", 1) for line in text.split(b"\n") if line]
    return {os.fsdecode(unescaped(name)): digest.decode() for digest, name in lines}


def bag(records):
    """An archive that is whole by its own manifests: payload path to SHA-256. ValueError tells why not."""
    seen, order = {}, []
    try:
        with tarfile.open(fileobj=io.BytesIO(joined(records)), errors="surrogateescape") as tar:
            for info in tar:
                name = info.name.partition("/")[2]
                order.append(name)
                if info.isreg() or info.islnk():
                    seen[name] = tar.extractfile(info).read()
    except (tarfile.TarError, EOFError, AttributeError, KeyError, OSError) as why:
        raise ValueError("tar: %r" % why) from why
    for which in ("tagmanifest", "manifest"):
        if which + "-sha256.txt" not in seen:
            raise ValueError("no " + which)
        for name, digest in manifest(seen[which + "-sha256.txt"]).items():
            if name not in seen or hashlib.sha256(seen[name]).hexdigest() != digest:
                raise ValueError("%s: %s differs" % (which, name))
    listed = manifest(seen["manifest-sha256.txt"])
    payload = {n for n in seen if n.startswith("data/")}
    if payload != set(listed):
        raise ValueError("manifest and payload name different files")
    return {name[4:]: digest for name, digest in listed.items()}


def tree(root, only=None):
    """Every path below root: kind, and for files content digest, mode and time."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            key = os.path.relpath(path, root)
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("l", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = ("d",)
            elif only is None or key in only:
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                found[key] = ("f", digest, status.st_mode, status.st_mtime_ns)
    return found
