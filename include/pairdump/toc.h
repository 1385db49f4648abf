/*
 * toc: the table of contents of one archive: its records and its files, as plain data.
 *
 * The stream makes it while writing, the catalog stores it, the index on the volume carries it as
 * text, and verification and restore take it as what to expect. Files stand in the order of the
 * archive. Paths are source paths: absolute, raw bytes, NUL-terminated; as payload of the bag they
 * are "data" + path. Memory is one arena per toc; about 210 bytes and the path per file.
 * Not thread-safe; read-only use from several threads is fine.
 */
#ifndef PAIRDUMP_TOC_H
#define PAIRDUMP_TOC_H

#include <stdint.h>

#include "pairdump/digest.h"
#include "pairdump/rng.h"

/* What a file is. */
enum pd_kind {
    PD_KIND_FILE = 'f',
    PD_KIND_DIR = 'd',
    PD_KIND_SYMLINK = 'l',
    PD_KIND_HARDLINK = 'h', /* another name of an earlier file of the same archive */
    PD_KIND_FIFO = 'p',
    PD_KIND_CHAR = 'c',
    PD_KIND_BLOCK = 'b',
};

/* How well the archive holds it. Only PD_WHOLE counts as held. */
enum pd_wholeness {
    PD_WHOLE = '=',
    PD_CHANGED = '~', /* changed while it was read; the digest is of what was stored */
    PD_PARTIAL = '!', /* could not be read to its end; the rest is zeros */
};

/* Inode of a file of which only the archive tells, where it does not stand: that of no file. */
#define PD_INO_UNKNOWN UINT64_MAX

struct pd_toc_file {
    const char *path; /* in the arena; never NULL */
    const char *link; /* target of a symlink as is; source path of the first name of a hard link;
                         else NULL */
    char kind;        /* enum pd_kind */
    char state;       /* enum pd_wholeness */
    bool has_digest;  /* regular files and hard links */
    uint8_t alg;      /* enum pd_digest_alg: the toc's, set by pd_toc_add_file */
    uint32_t mode;    /* permission bits, 07777 */
    uint32_t mtime_ns, ctime_ns;
    int64_t mtime, ctime; /* seconds since the epoch, of the source */
    uint64_t uid, gid;
    uint64_t dev, ino; /* of the source: ino to know it again, dev to find hard links; 0 when it
                          has one name only */
    uint64_t size;     /* logical bytes of a regular file, else 0 */
    uint64_t offset;   /* in the archive: first byte of its first header */
    uint64_t length;   /* bytes in the archive with headers and padding */
    uint8_t digest[PD_DIGEST_MAX]; /* zeros behind the length of its algorithm */
};

struct pd_toc {
    char name[128]; /* "<dump-name>.<seq>", the top folder of the bag */
    char dump_uuid[PD_UUID_TEXT];
    enum pd_digest_alg alg; /* of the digests of all its files */
    uint64_t seq;           /* 1, 2, ... within the dump */
    uint64_t record_size; /* bytes of each record, the last one included */
    struct pd_xxh128 *records;
    uint64_t record_count; /* the archive has record_count * record_size bytes */
    struct pd_toc_file *files;
    uint64_t file_count;
    uint64_t payload_bytes; /* Payload-Oxum: octets of the files under data/ that an extraction
                               makes, hard links counted each */
    uint64_t payload_files;
    uint64_t manifest_offset; /* first byte of the header of the entry after the last payload */
    /* private: */
    void *arena;
    uint64_t file_cap, record_cap;
};

void pd_toc_init(struct pd_toc *toc); /* all zero */
void pd_toc_release(struct pd_toc *toc);
/* Copies *file with path and link (link_len 0 and link NULL: none) into the toc; *index, if not
 * NULL, gets its place. The struct may be changed in place afterwards through toc->files. */
PD_MUST_USE enum pd_status pd_toc_add_file(struct pd_toc *toc, const struct pd_toc_file *file,
                                           uint64_t *index, struct pd_error *err);
PD_MUST_USE enum pd_status pd_toc_add_record(struct pd_toc *toc, struct pd_xxh128 digest,
                                             struct pd_error *err);
/* Puts the digest of a file, as long as its algorithm says. */
void pd_toc_set_digest(struct pd_toc_file *file, const void *digest);
/* Do both have digests, of one algorithm, that are equal? */
bool pd_toc_same_digest(const struct pd_toc_file *a, const struct pd_toc_file *b);
/* Bytes of memory that its content takes. */
uint64_t pd_toc_memory(const struct pd_toc *toc);

/* The files that have bytes in record no: *first and *count into toc->files, whose entries lie in
 * rising, non-overlapping order of offset. count 0: only bag files (manifest, padding). */
void pd_toc_files_of_record(const struct pd_toc *toc, uint64_t record_no, uint64_t *first,
                            uint64_t *count);

#endif
