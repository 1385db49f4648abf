#include "command.h"

const struct pd_option pd_command_globals[] = {
    {"config", 'c', "FILE", "configuration file"},
    {"catalog", 0, "URL", "catalog: sqlite:PATH, or mysql: for a server"},
    {"credentials", 0, "FILE", "who is at the server (default ~/.my.pairdump.cnf)"},
    {"json", 0, NULL, "print one JSON object on standard output"},
    {"quiet", 'q', NULL, "only errors on standard error"},
    {"verbose", 'v', NULL, "say more on standard error"},
    {"no-progress", 0, NULL, "no progress line"},
    {"help", 'h', NULL, "show help"},
    {"version", 'V', NULL, "show the version"},
    {NULL, 0, NULL, NULL},
};

static const char *const catalog_words[] = {"init", "check", "export", "import", NULL};
static const char *const tape_words[] = {"status", "load",   "unload",    "eject",
                                         "rewind", "inventory", NULL};
static const char *const completion_words[] = {"bash", NULL};

const struct pd_command pd_command_table[] = {
    {"dump", "--to TARGET --to TARGET PATH...", "write files to a pair, verify both copies",
     "Targets: disk:DIR, tape:/dev/nst0; for drills mock:DIR, fault:SPEC:TARGET.\n"
     "The first run on an empty target labels a new volume; later runs append.",
     pd_cmd_dump_options, NULL, pd_cmd_dump},
    {"resume", "[DUMP]", "finish what an interrupted dump left",
     "Without DUMP: the only one that there is. Archives that are whole are read back, the\n"
     "one at hand is written again, and the rest follows.",
     pd_cmd_resume_options, NULL, pd_cmd_resume},
    {"verify", "[--dump DUMP | VOLUME... | --target TARGET]", "re-read and re-hash copies",
     "Without arguments: every copy that the catalog knows. --target checks a volume by\n"
     "itself, without a catalog.",
     pd_cmd_verify_options, NULL, pd_cmd_verify},
    {"audit", "[--budget TIME|SIZE] [--older-than AGE]", "read back what was longest not read",
     "The volumes that were not read back for the longest time come first. Without --budget all\n"
     "that are old enough are read.",
     pd_cmd_audit_options, NULL, pd_cmd_audit},
    {"restore", "[--dump DUMP]... [--to DIR] --all | PATTERN...", "bring files back",
     "A PATTERN is a source path (a folder takes all below it along) or a glob.\n"
     "Files go below DIR (default: the current folder) under their source path, or, with\n"
     "--to -, as a tar stream to standard output.",
     pd_cmd_restore_options, NULL, pd_cmd_restore},
    {"repair", "VOLUME --to TARGET | --in-place VOLUME", "make a damaged volume whole",
     "Each record is read from whichever copy has it good, this volume included. Also makes what\n"
     "a dump could not write to it. Run again after an interruption, it goes on.",
     pd_cmd_repair_options, NULL, pd_cmd_repair},
    {"copy", "DUMP|VOLUME... --to TARGET", "make a further copy",
     "With the next free copy number, up to 8: for a second site, or a new generation of tapes.\n"
     "Run again after an interruption, it goes on.",
     pd_cmd_copy_options, NULL, pd_cmd_copy},
    {"ls", "[--dump DUMP] [PATH]", "list a folder as dumped", NULL, pd_cmd_ls_options, NULL,
     pd_cmd_ls},
    {"find", "[--dump DUMP] PATTERN...", "find files in all dumps", NULL, pd_cmd_find_options, NULL,
     pd_cmd_find},
    {"dumps", "", "list the dumps", NULL, pd_cmd_dumps_options, NULL, pd_cmd_dumps},
    {"show", "[DUMP]", "one dump with its archives, copies and problems", NULL, pd_cmd_show_options,
     NULL, pd_cmd_show},
    {"volumes", "[OPTION] [VOLUME...]", "list the volumes, and say what is to become of them",
     "Those named, or all. A volume that a run is at work on is busy.", pd_cmd_volumes_options,
     NULL, pd_cmd_volumes},
    {"history", "[--file PATH] [VOLUME...]", "every verification ever made, and what drives told",
     "Of the volumes named, or all; with --file of all copies of a file.", pd_cmd_history_options,
     NULL, pd_cmd_history},
    {"safe", "PATH...", "which source files may be deleted",
     "Safe is a file that is held whole and unchanged, and all of its copies are verified.\n"
     "Exit 0 only if every file under PATH is safe.",
     pd_cmd_safe_options, NULL, pd_cmd_safe},
    {"rebuild", "TARGET...", "make the catalog anew, from volumes alone",
     "Reads labels and indexes, and archives whole where they have no index. What the catalog "
     "lacks is\n"
     "added, what it has is compared and stays. Copies count as written until verify has read "
     "them.",
     pd_cmd_rebuild_options, NULL, pd_cmd_rebuild},
    {"label", "TARGET LABEL", "label a new volume",
     "With --relabel OLD, the tape in the drive: it has to bear that label, and be scratch (see\n"
     "volumes --scratch). What was on it is lost.",
     pd_cmd_label_options, NULL, pd_cmd_label},
    {"tape", "status|load|unload|eject|rewind|inventory TARGET [VOLUME]",
     "look at and move volumes",
     "inventory also takes a changer, mtx:DEVICE or cmd:PATH: what is in the library, and in the\n"
     "catalog.",
     pd_cmd_tape_options, tape_words, pd_cmd_tape},
    {"catalog", "init|check|export|import [FILE]", "look after the catalog",
     "check: contradictions in the catalog, then between it and the volumes that can be reached.",
     pd_cmd_catalog_options, catalog_words, pd_cmd_catalog},
    {"doctor", "[TARGET...]", "check configuration, credentials, targets, space, catalog", NULL,
     pd_cmd_doctor_options, NULL, pd_cmd_doctor},
    {"test-dump", "[--size SIZE] [--files N] [--seed N]",
     "rehearse: dump, verify, restore and compare reproducible data",
     "Without --to, on two mock tapes in a temporary folder; everything is removed again.\n"
     "With --to tape:... --to tape:... --scratch, on the tapes in these drives.",
     pd_cmd_test_dump_options, NULL, pd_cmd_test_dump},
    {"completion", "bash", "print a completion script", NULL, pd_cmd_completion_options,
     completion_words, pd_cmd_completion},
    {"help", "[COMMAND]", "show help", NULL, pd_cmd_help_options, NULL, pd_cmd_help},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct pd_command *pd_command_find(const char *name)
{
    for (const struct pd_command *c = pd_command_table; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}
