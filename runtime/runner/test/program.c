/* A user's program for runner.sh, built for plain WASI. argument 1 says what it does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile int zero;

/* Without a stack in linear memory, which would overflow first. */
__attribute__((noinline)) static int recurse(int depth)
{
    return depth == 0 ? 1 : recurse(depth - 1) + zero;
}

static int files(void)
{
    char line[64] = "";
    FILE *file = fopen("/program/greeting.txt", "r");
    if (!file || !fgets(line, sizeof line, file))
        return 1;
    fclose(file);
    printf("file: %s\n", line);
    if (fopen("/program/absent", "r") || errno != ENOENT)
        return 2;
    file = fopen("/tmp/own", "w+");
    if (!file || fputs("kept", file) < 0 || fseek(file, 0, SEEK_SET) ||
        !fgets(line, sizeof line, file))
        return 3;
    printf("temporary: %s\n", line);
    return 0;
}

/* What is below /data: greeting, sub/deep, a link to it; then changes, which stay if `keeps`. */
static int directory(int keeps)
{
    char line[64] = "";
    struct stat status;
    unsigned found = 0;
    FILE *file = fopen("/data/link", "r");
    if (!file || !fgets(line, sizeof line, file) || strcmp(line, "deep\n") != 0)
        return 1;
    fclose(file);
    DIR *list = opendir("/data");
    for (const struct dirent *entry; list && (entry = readdir(list));)
        found += strcmp(entry->d_name, "greeting") == 0 || strcmp(entry->d_name, "sub") == 0;
    if (!list || closedir(list) != 0 || found != 2)
        return 2;
    list = opendir("/data/many");
    for (found = 0; list && readdir(list);)
        found++;
    if (!list || closedir(list) != 0 || found != 202)
        return 9;
    if (open("/data/../etc/passwd", O_RDONLY) >= 0 || open("/data/out", O_RDONLY) >= 0 ||
        open("/data/sub/../../data/greeting", O_RDONLY) >= 0)
        return 3;
    file = fopen("/data/new", "w");
    if (!keeps)
        return file || mkdir("/data/made", 0777) == 0 || unlink("/data/greeting") == 0 ? 4 : 0;
    if (!file || fprintf(file, "written\n") != 8 || fclose(file) != 0)
        return 5;
    if (mkdir("/data/made", 0777) != 0 || rename("/data/new", "/data/made/new") != 0 ||
        stat("/data/made/new", &status) != 0 || status.st_size != 8)
        return 6;
    if (rename("/data/made/new", "/tmp/new") == 0 || errno != EXDEV)
        return 7;
    if (unlink("/data/greeting") != 0 || stat("/data/greeting", &status) == 0)
        return 8;
    puts("directory is as it should be");
    return 0;
}

/* Fills /tmp until no more goes in; what was there before and what comes after is not harmed. */
static int fill(void)
{
    static char block[1 << 16];
    int file = open("/tmp/full", O_CREAT | O_RDWR, 0666);
    size_t mebibytes = 0;
    ssize_t written;
    while ((written = write(file, block, sizeof block)) == (ssize_t)sizeof block)
        mebibytes++;
    printf("full: %s\n", strerror(errno));
    mebibytes /= 16;
    if (written >= 0 || errno != ENOSPC || mebibytes < 16 || unlink("/tmp/full") != 0 ||
        close(file) != 0)
        return 1;
    file = open("/tmp/again", O_CREAT | O_RDWR, 0666);
    return write(file, block, sizeof block) == (ssize_t)sizeof block ? 0 : 2;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "arguments") == 0) {
        for (int i = 0; i < argc; i++)
            printf("%d=%s\n", i, argv[i]);
        printf("NAME=%s OTHER=%s\n", getenv("NAME"), getenv("OTHER"));
        fprintf(stderr, "errors too\n");
        return 42;
    }
    if (strcmp(what, "directory") == 0)
        return directory(1);
    if (strcmp(what, "directory-ro") == 0)
        return directory(0);
    if (strcmp(what, "root") == 0) {
        char line[64] = "";
        FILE *file = fopen("/greeting", "r");
        if (!file || !fgets(line, sizeof line, file) || fopen("/program/arguments", "r"))
            return 1;
        printf("root is %s", line);
        return 0;
    }
    if (strcmp(what, "fill") == 0)
        return fill();
    if (strcmp(what, "divide") == 0)
        return 100 / zero;
    if (strcmp(what, "bounds") == 0)
        return *(volatile int *)0xfffffff0;
    if (strcmp(what, "recurse") == 0)
        return recurse(100000000);
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "loop") == 0)
        for (;;)
            zero = 0;
    if (strcmp(what, "memory") == 0) {
        for (size_t mebibytes = 0;; mebibytes++) {
            char *volatile more = malloc(1 << 20);
            if (!more) {
                printf("%s\n",
                       mebibytes > 20 && mebibytes < 64 ? "memory ended" : "not as allowed");
                return 7;
            }
            memset(more, 1, 1 << 20);
        }
    }
    if (strcmp(what, "files") == 0)
        return files();
    if (strcmp(what, "input") == 0) {
        unsigned long sum = 0, count = 0;
        for (int c; (c = getchar()) != EOF; count++)
            sum = sum * 31 + (unsigned char)c;
        printf("%lu bytes, %08lx\n", count, sum & 0xffffffff);
        return feof(stdin) ? 0 : 1;
    }
    if (strcmp(what, "long") == 0) {
        for (int i = 0; i < 62500; i++)
            if (printf("%15d\n", i) != 16)
                return 1;
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (strcmp(what, "copy") == 0) {
        static char bytes[5000];
        for (size_t count; (count = fread(bytes, 1, sizeof bytes, stdin)) > 0;)
            if (fwrite(bytes, 1, count, stdout) != count)
                return 1;
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (strcmp(what, "clock") == 0) {
        struct timespec before, after, wait = {0, 20000000};
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (nanosleep(&wait, NULL) != 0)
            return 1;
        clock_gettime(CLOCK_MONOTONIC, &after);
        double slept =
            (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
        return slept >= 2e7 && time(NULL) > 1700000000 ? 0 : 1;
    }
    return 100;
}
