/*
 * Which count of free blocks does a user really get? f_bfree counts blocks that only root may take,
 * f_bavail does not. A check on f_bfree would promise space that a dump by a user cannot have.
 * Result: src/media/space.c takes f_bavail times f_frsize.
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/statvfs.h>

static void show(const char *path)
{
    struct statvfs v;

    if (statvfs(path, &v) != 0) {
        printf("%-10s %s\n", path, strerror(errno));
        return;
    }
    double mib = (double)v.f_frsize / 1048576.0;
    printf("%-10s fragment %lu, f_bsize %lu: free %.0f MiB, available to users %.0f MiB, only for "
           "root %.0f MiB\n",
           path, v.f_frsize, v.f_bsize, (double)v.f_bfree * mib, (double)v.f_bavail * mib,
           (double)(v.f_bfree - v.f_bavail) * mib);
}

int main(void)
{
    static const char *const places[] = {"/", "/tmp", "/var/tmp", "/dev/shm", "."};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        show(places[i]);
    }
    return 0;
}
