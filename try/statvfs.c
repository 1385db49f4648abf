/* Which free figure is the user's? f_bfree counts blocks that only root may take; f_bavail does not. */
#include <inttypes.h>
#include <sys/statvfs.h>

int main(void)
{
    struct statvfs v;

    if (statvfs("/", &v) != 0) {
        perror("statvfs");
        return 1;
    }
    printf("/: f_bfree %" PRIu64 " MiB, f_bavail %" PRIu64 " MiB\n",
           (uint64_t)v.f_bfree * v.f_frsize >> 20, (uint64_t)v.f_bavail * v.f_frsize >> 20);
    printf("%s\n", v.f_bavail <= v.f_bfree ? "f_bavail is the safe one" : "f_bavail is larger?!");
    return v.f_bavail <= v.f_bfree ? 0 : 1;
}
