#include "pairdump/label.h"

#include "pairdump/clock.h"

/*
 * README.txt goes with every volume. Whoever reads it has no pairdump, so every command in it must
 * work as it stands. "@BS@" and the like are put in by fill().
 */

static const char head[] =
    "PAIRDUMP VOLUME @LABEL@\n"
    "=======================\n"
    "\n"
    "This volume was written by @SOFTWARE@. It holds files, packed into POSIX tar\n"
    "archives. This text tells how to get them back without pairdump: with mt, dd,\n"
    "tar, sed and sha256sum, which every Unix system has (here in their GNU form).\n"
    "\n"
    "  Volume      @LABEL@, UUID @UUID@\n"
    "  Pool        @POOL@\n"
    "  Copy        @COPY@\n"
    "  Created     @CREATED@\n"
    "  Block size  @BS@ bytes in every record\n";

static const char body[] =
    "\n"
    "WHAT IS ON IT\n"
    "\n"
    "Every tape file (what stands between two filemarks) is a tar archive, filled up\n"
    "with zeros to whole records. On a disk volume each is a plain file instead, in\n"
    "the folder @LABEL@: NNNN-NAME.tar, NNNN being the tape file number. Files that\n"
    "end in .partial were never finished; leave them out.\n"
    "\n"
    "  0        this label: volume-info.txt and README.txt\n"
    "  1, 2 ... archives (NAME is the name of the dump, a dot, and a number), and\n"
    "           behind the archives of each dump its index (NAME is the name of the\n"
    "           dump and \".index\")\n"
    "\n"
    "An archive unpacks into one folder of its own name, a BagIt bag (RFC 8493):\n"
    "\n"
    "  NAME/bagit.txt\n"
    "  NAME/data/...                  the files; /home/a/b is NAME/data/home/a/b\n"
    "  NAME/manifest-sha256.txt       the SHA-256 of every file under data, or as its\n"
    "                                 name says the SHA-512, SHA3-256 or BLAKE2b-512\n"
    "  NAME/bag-info.txt              where they came from, when, how many\n"
    "  NAME/not-whole.txt             only if some files are not whole: \"~ file\" was\n"
    "                                 changed while it was read, \"! file\" could not\n"
    "                                 be read to its end, the rest of it is zeros\n"
    "  NAME/tagmanifest-sha256.txt    the same of the other text files\n"
    "\n"
    "An index unpacks into a folder with index-info.txt and one NAME.txt for each\n"
    "archive of the dump that lies on this volume.\n"
    "\n"
    "RESTORE FROM TAPE\n"
    "\n"
    "Use the device that does not rewind by itself, and variable block size. N is the\n"
    "number of the tape file. As root, owners and special files come back too.\n"
    "\n"
    "  mt -f /dev/nst0 rewind\n"
    "  mt -f /dev/nst0 setblk 0\n"
    "  mt -f /dev/nst0 fsf N\n"
    "  dd if=/dev/nst0 bs=@BS@ | LC_ALL=C tar -x -p --numeric-owner --acls \\\n"
    "      --xattrs --xattrs-include='*' --warning=no-unknown-keyword -f -\n"
    "\n"
    "To list, put \"tar -t -f -\" after the bar. Rewind before each fsf. For N = 0 the\n"
    "fsf is left out.\n"
    "\n"
    "RESTORE FROM DISK\n"
    "\n"
    "  LC_ALL=C tar -x -p --numeric-owner --acls --xattrs --xattrs-include='*' \\\n"
    "      --warning=no-unknown-keyword -f NNNN-NAME.tar\n"
    "\n"
    "RESTORE A PART, OR TO THE OLD PLACE\n"
    "\n"
    "Name what is wanted behind the command, as in tar's list: 'NAME/data/home/a'.\n"
    "With --strip-components=2 -C /some/where 'NAME/data' the files come under\n"
    "/some/where as they were under /.\n"
    "\n"
    "CHECK\n"
    "\n"
    "In the folder NAME:\n"
    "\n"
    "  sha256sum -c tagmanifest-sha256.txt\n"
    "  LC_ALL=C sed -e '/%0[AD]/{s/\\\\/\\\\\\\\/g;s/%0A/\\\\n/g;s/%0D/\\\\r/g;s/^/\\\\/;}' \\\n"
    "      -e 's/%25/%/g' manifest-sha256.txt | sha256sum --quiet -c -\n"
    "\n"
    "The second says nothing when all is good. In manifests a line feed in a name is\n"
    "written %0A, a carriage return %0D, and % itself %25; sed turns that into what\n"
    "sha256sum expects. If no name has these, sha256sum -c manifest-sha256.txt does.\n"
    "\n"
    "For manifests of another name put that name, and another program:\n"
    "\n"
    "  manifest-sha512.txt        sha512sum instead of sha256sum\n"
    "  manifest-blake2b512.txt    b2sum instead of sha256sum\n"
    "  manifest-sha3256.txt       openssl, which has no -c: these lines, with\n"
    "                             M=manifest-sha3256.txt, then the tagmanifest\n"
    "\n"
    "  cut -c -64 $M >/tmp/want\n"
    "  tr '\\n' '\\0' <$M | LC_ALL=C sed -z -e 's/^[^ ]*  //' -e 's/%0A/\\n/g' \\\n"
    "      -e 's/%0D/\\r/g' -e 's/%25/%/g' | xargs -0 openssl dgst -sha3-256 -r |\n"
    "      LC_ALL=C sed 's/^\\\\//' | cut -c -64 | diff - /tmp/want\n"
    "\n"
    "which is silent too when all is good, and else shows lines of the manifest.\n"
    "\n"
    "FIND A FILE\n"
    "\n"
    "Unpack the index, the tape file behind the last archive of a dump. Each NAME.txt\n"
    "has lines of fields, split by tabs (bytes below 32, 127 and % in names are %XX):\n"
    "\n"
    "  archive NAME SEQ TAPE-FILE RECORD-SIZE RECORDS FILES PAYLOAD-BYTES\n"
    "          PAYLOAD-FILES MANIFEST-OFFSET [DIGEST, if it is not SHA-256]\n"
    "  record  NUMBER XXH3-128\n"
    "  file    KIND STATE MODE UID GID SIZE MTIME CTIME DEV:INO OFFSET LENGTH DIGEST\n"
    "          PATH [LINK]\n"
    "  end     RECORDS FILES\n"
    "\n"
    "  grep -F /home/a/b *.index/*.txt          names the archive\n"
    "  grep -h '^archive' *.index/*.txt         TAPE-FILE of each archive\n"
    "\n"
    "IF IT IS DAMAGED\n"
    "\n";

static const char tail[] =
    "  dd if=/dev/nst0 bs=@BS@ conv=noerror,sync of=NAME.tar\n"
    "\n"
    "reads on behind bad records and puts zeros in their place. Record R (from 0) can\n"
    "then be taken from another copy, which is the same byte for byte:\n"
    "\n"
    "  dd if=other.tar of=NAME.tar bs=@BS@ skip=R seek=R count=1 conv=notrunc\n"
    "\n"
    "The index has the XXH3-128 of every record, and this prints them from a file:\n"
    "\n"
    "  split -b @BS@ --filter=xxh128sum NAME.tar\n";

struct value {
    const char *mark;
    const char *text;
};

/* Appends text with each mark replaced by its value. */
static enum pd_status fill(struct pd_buf *out, const char *text, const struct value *values)
{
    enum pd_status status = PD_OK;

    while (status == PD_OK && *text != '\0') {
        const struct value *value = values;
        size_t len = strcspn(text, "@");

        status = pd_buf_append(out, text, len);
        text += len;
        if (*text == '\0' || status != PD_OK)
            break;
        while (value->mark != NULL && strncmp(text, value->mark, strlen(value->mark)) != 0)
            value++;
        if (value->mark == NULL) {
            status = pd_buf_append(out, text++, 1);
        } else {
            status = pd_buf_puts(out, value->text);
            text += strlen(value->mark);
        }
    }
    return status;
}

static enum pd_status partners(struct pd_buf *out, const struct pd_label *label)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < label->partner_count && status == PD_OK; i++)
        status =
            pd_buf_printf(out, "  Partner     %s, UUID %s, copy %u\n", label->partners[i].label,
                          label->partners[i].uuid, label->partners[i].copy);
    return status;
}

enum pd_status pd_label_readme(const struct pd_label *label, struct pd_buf *out)
{
    char created[64], block[24], copy[16];
    const struct value values[] = {
        {"@LABEL@", label->label}, {"@SOFTWARE@", label->software},
        {"@UUID@", label->uuid},   {"@POOL@", label->pool},
        {"@COPY@", copy},          {"@CREATED@", created},
        {"@BS@", block},           {NULL, NULL},
    };
    enum pd_status status;

    pd_time_format(label->created, created, sizeof(created));
    (void)snprintf(block, sizeof(block), "%llu", (unsigned long long)label->block_size);
    (void)snprintf(copy, sizeof(copy), "%u", label->copy);
    status = fill(out, head, values);
    if (status == PD_OK)
        status = partners(out, label);
    if (status == PD_OK)
        status = fill(out, body, values);
    if (status == PD_OK)
        status = pd_buf_puts(out, label->partner_count > 0
                                      ? "The partner volumes named above hold the same archives in "
                                        "the same order:\nuse one of them. Otherwise\n\n"
                                      : "No other volume holds the same archives. Save what "
                                        "can be saved:\n\n");
    if (status == PD_OK)
        status = fill(out, tail, values);
    return status;
}
