/*
 * with_node: usage: with_node NODE arguments … Becomes the pinned node. It is a program of its own
 * so that a test that needs node fails with these words where npm has not been run, whenever meson
 * was configured.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: with_node NODE arguments ...\n");
        return 2;
    }
    execv(argv[1], argv + 1);
    fprintf(stderr,
            "the pinned node cannot be started (%s: %s); install it with ./dev setup, or with "
            "npm ci in test/, then try again\n",
            argv[1], strerror(errno));
    return 1;
}
