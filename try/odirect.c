/*
 * Does a read with O_DIRECT come from the medium, and does it leave the page cache alone? Writes a
 * file, looks with mincore at how much of it is cached: after fsync, after POSIX_FADV_DONTNEED, after
 * reading it with O_DIRECT, and after reading it without. Shows too that a buffer that is not aligned
 * is refused. Result: src/media/target_disk_in.c drops the cache, then reads with O_DIRECT, and falls
 * back to the dropped cache alone where the file system refuses (older tmpfs).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 8 << 20, RECORD = 512 << 10, PAGE = 4096 };

static void cached(int fd, const char *when)
{
    static const size_t pages = SIZE / PAGE;
    unsigned char in[SIZE / PAGE];
    size_t n = 0;
    void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED || mincore(map, SIZE, in) != 0) {
        printf("  %-32s mincore: %s\n", when, strerror(errno));
    } else {
        for (size_t i = 0; i < pages; i++) {
            n += in[i] & 1;
        }
        printf("  %-32s %zu of %zu pages cached\n", when, n, pages);
    }
    if (map != MAP_FAILED) {
        munmap(map, SIZE);
    }
}

static void read_all(const char *path, int flags, char *buffer, const char *what)
{
    int fd = open(path, O_RDONLY | flags);
    ssize_t n = -1;

    while (fd >= 0 && (n = read(fd, buffer, RECORD)) > 0) {
    }
    if (n < 0) {
        printf("  %-32s %s\n", what, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

int main(void)
{
    char path[] = "odirect.XXXXXX";
    char *buffer = aligned_alloc(PAGE, RECORD + PAGE);
    int fd = mkstemp(path);

    if (fd < 0 || !buffer) {
        perror("odirect");
        return 1;
    }
    memset(buffer, 'x', RECORD);
    for (int i = 0; i < SIZE / RECORD; i++) {
        if (write(fd, buffer, RECORD) != RECORD) {
            perror("write");
        }
    }
    cached(fd, "after write");
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    cached(fd, "after fsync and DONTNEED");
    read_all(path, O_DIRECT, buffer, "O_DIRECT");
    cached(fd, "after O_DIRECT read");
    read_all(path, O_DIRECT, buffer + 1, "O_DIRECT, buffer not aligned:");
    read_all(path, 0, buffer, "plain");
    cached(fd, "after plain read");
    close(fd);
    unlink(path);
    free(buffer);
    return 0;
}
