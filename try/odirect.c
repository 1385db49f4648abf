/* Does O_DIRECT read past the page cache? Writes a file, and reads it with and without; mincore(2) tells
 * what each left in the cache. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 4 << 20 };

static size_t resident(int fd)
{
    unsigned char pages[SIZE / 4096];
    size_t n = 0;
    void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED || mincore(map, SIZE, pages) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof pages; i++) {
        n += pages[i] & 1;
    }
    munmap(map, SIZE);
    return n;
}

int main(void)
{
    char path[] = "/var/tmp/pairdump-try.XXXXXX";
    int fd = mkstemp(path);
    void *buffer = NULL;

    if (fd < 0 || posix_memalign(&buffer, 4096, SIZE) != 0) {
        perror("set-up");
        return 1;
    }
    memset(buffer, 7, SIZE);
    if (pwrite(fd, buffer, SIZE, 0) != SIZE || fsync(fd) != 0) {
        perror("write");
        return 1;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    printf("after fsync and DONTNEED: %zu of %d pages cached\n", resident(fd), SIZE / 4096);
    int direct = open(path, O_RDONLY | O_DIRECT);
    if (direct < 0 || read(direct, buffer, SIZE) != SIZE) {
        perror("O_DIRECT is refused here: pairdump then drops the cache and reads");
    } else {
        printf("after an O_DIRECT read: %zu\n", resident(fd));
    }
    if (pread(fd, buffer, SIZE, 0) == SIZE) {
        printf("after a plain read: %zu\n", resident(fd));
    }
    unlink(path);
    free(buffer);
    return 0;
}
